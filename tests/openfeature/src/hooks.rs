//! Hooks that remember, and one that adds to the context.

use std::sync::{Arc, Mutex, PoisonError};

use open_feature::{
    EvaluationContext, EvaluationDetails, EvaluationError, Hook, HookContext, HookHints, Value,
    async_trait,
};

/// A stage at which a hook was called.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) hook: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) details: Option<EvaluationDetails<Value>>,
    pub(crate) error_code: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn add(&self, call: Call) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn hook(&self, name: &'static str) -> Remembering {
        Remembering {
            name,
            calls: self.clone(),
        }
    }
}

pub(crate) struct Remembering {
    name: &'static str,
    calls: Calls,
}

impl Remembering {
    fn called(
        &self,
        stage: &'static str,
        details: Option<&EvaluationDetails<Value>>,
        error: Option<&EvaluationError>,
    ) {
        self.calls.add(Call {
            hook: self.name,
            stage,
            details: details.cloned(),
            error_code: error.map(|error| error.code.to_string()),
        });
    }
}

#[async_trait]
impl Hook for Remembering {
    async fn before<'a>(
        &self,
        _: &HookContext<'a>,
        _: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        self.called("before", None, None);
        Ok(None)
    }

    async fn after<'a>(
        &self,
        _: &HookContext<'a>,
        details: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) -> Result<(), EvaluationError> {
        self.called("after", Some(details), None);
        Ok(())
    }

    async fn error<'a>(
        &self,
        _: &HookContext<'a>,
        error: &EvaluationError,
        _: Option<&'a HookHints>,
    ) {
        self.called("error", None, Some(error));
    }

    async fn finally<'a>(
        &self,
        _: &HookContext<'a>,
        details: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) {
        self.called("finally", Some(details), None);
    }
}

/// Adds an entry to the context before an evaluation.
pub(crate) struct Adding(pub(crate) String, pub(crate) String);

#[async_trait]
impl Hook for Adding {
    async fn before<'a>(
        &self,
        context: &HookContext<'a>,
        _: Option<&'a HookHints>,
    ) -> Result<Option<EvaluationContext>, EvaluationError> {
        let context = context.evaluation_context.clone();
        Ok(Some(context.with_custom_field(&self.0, self.1.as_str())))
    }

    async fn after<'a>(
        &self,
        _: &HookContext<'a>,
        _: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) -> Result<(), EvaluationError> {
        Ok(())
    }

    async fn error<'a>(&self, _: &HookContext<'a>, _: &EvaluationError, _: Option<&'a HookHints>) {}

    async fn finally<'a>(
        &self,
        _: &HookContext<'a>,
        _: &EvaluationDetails<Value>,
        _: Option<&'a HookHints>,
    ) {
    }
}
