//! A provider for the OpenFeature SDK of Rust, the crate `open-feature`.
//!
#![doc = include_str!("../../../docs/openfeature.md")]

mod context;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::open_feature::provider::{
    FeatureProvider, ProviderMetadata, ProviderStatus, ResolutionDetails,
};
use ::open_feature::{
    EvaluationContext as GivenContext, EvaluationError, EvaluationErrorCode, EvaluationReason,
    EvaluationResult, FlagMetadata, FlagMetadataValue, StructValue, async_trait,
};
use bucketry_core::{ErrorCode, EvaluationContext, Reason};

use crate::client::Client;
use crate::evaluate::getters::details;
use crate::evaluate::{EvaluationDetails, MetadataValue};
use crate::status::Status;

/// Resolves the flags of an OpenFeature client with a [`Client`].
///
/// Resolving is an evaluation: it never waits, and it records the exposure where an experiment's rule answers.
///
/// That SDK knows no default values: a resolution is a value or an error, and callers write `.unwrap_or(default)`. So where the
/// flag set leaves the value to the caller, which is no failure (a disabled flag, say), the error's code is
/// `General` with the reason in it: `General("DISABLED")`.
#[derive(Clone, Debug)]
pub struct Provider {
    client: Client,
    metadata: ProviderMetadata,
    ready_within: Duration,
    /// Whether an attribute that cannot be read was told of. Once is enough: it is the program that has to change.
    warned: Arc<AtomicBool>,
}

impl Provider {
    /// A provider that resolves with this client, under the name `bucketry`.
    ///
    /// Keep a clone of the client to [close](Client::close) it, so that no exposure is lost: dropping the provider, as
    /// `OpenFeature::shutdown` does, drops its clone only.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            metadata: ProviderMetadata::new("bucketry"),
            ready_within: Duration::from_secs(5),
            warned: Arc::default(),
        }
    }

    /// How long setting the provider waits for the first flag set, during which that SDK answers nobody. Default: 5
    /// seconds. After that evaluations are `PROVIDER_NOT_READY` until there is one.
    #[must_use]
    pub const fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }

    /// The client that resolves.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    fn context<'a>(&self, given: &'a GivenContext) -> EvaluationResult<EvaluationContext<'a>> {
        context::read(given, |field| {
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    field,
                    "a structure of the evaluation context is of a type that cannot be read, and counts as missing; \
                     give a `StructValue` or a `serde_json::Value`"
                );
            }
        })
    }
}

impl From<Client> for Provider {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}

#[async_trait]
impl FeatureProvider for Provider {
    /// Waits for the first flag set. The context given here is not needed: the SDK merges it into each evaluation.
    async fn initialize(&mut self, _: &GivenContext) {
        if let Err(error) = self.client.ready_async(self.ready_within).await {
            tracing::warn!(%error, "the OpenFeature provider begins without a flag set");
        }
    }

    fn status(&self) -> ProviderStatus {
        match self.client.status() {
            Status::Ready => ProviderStatus::Ready,
            Status::Stale => ProviderStatus::STALE,
            Status::Error => ProviderStatus::Error,
            Status::NotReady | Status::Closed => ProviderStatus::NotReady,
        }
    }

    fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }

    async fn resolve_bool_value(
        &self,
        flag_key: &str,
        context: &GivenContext,
    ) -> EvaluationResult<ResolutionDetails<bool>> {
        let context = self.context(context)?;
        resolution(self.client.bool_details(flag_key, &context, false))
    }

    async fn resolve_int_value(
        &self,
        flag_key: &str,
        context: &GivenContext,
    ) -> EvaluationResult<ResolutionDetails<i64>> {
        let context = self.context(context)?;
        resolution(self.client.integer_details(flag_key, &context, 0))
    }

    async fn resolve_float_value(
        &self,
        flag_key: &str,
        context: &GivenContext,
    ) -> EvaluationResult<ResolutionDetails<f64>> {
        let context = self.context(context)?;
        resolution(self.client.float_details(flag_key, &context, 0.0))
    }

    async fn resolve_string_value(
        &self,
        flag_key: &str,
        context: &GivenContext,
    ) -> EvaluationResult<ResolutionDetails<String>> {
        let context = self.context(context)?;
        resolution(self.client.string_details(flag_key, &context, ""))
    }

    async fn resolve_struct_value(
        &self,
        flag_key: &str,
        context: &GivenContext,
    ) -> EvaluationResult<ResolutionDetails<StructValue>> {
        let context = self.context(context)?;
        resolution(self.client.look(true, |view| {
            let default = StructValue::default;
            details(view, flag_key, &context, value::structure, default)
        }))
    }
}

/// What the SDK takes: a value, or the error that makes its caller use a default.
fn resolution<T>(details: EvaluationDetails<T>) -> EvaluationResult<ResolutionDetails<T>> {
    if let Some(code) = details.error_code {
        return Err(EvaluationError {
            code: error_code(code),
            message: details.error_message,
        });
    }
    if details.variant.is_none() && !details.forced {
        let (key, reason) = (&details.flag_key, details.reason);
        return Err(EvaluationError {
            code: EvaluationErrorCode::General(reason.as_str().to_owned()),
            message: Some(format!(
                "flag `{key}` leaves the value to the caller: use your default"
            )),
        });
    }
    let mut metadata = HashMap::new();
    for (name, value) in details.metadata.iter() {
        metadata.insert(name.to_owned(), metadata_value(value));
    }
    Ok(ResolutionDetails {
        value: details.value,
        variant: details.variant,
        reason: Some(reason(details.reason)),
        flag_metadata: (!metadata.is_empty()).then_some(FlagMetadata { values: metadata }),
    })
}

fn reason(reason: Reason) -> EvaluationReason {
    match reason {
        Reason::Static => EvaluationReason::Static,
        Reason::Default => EvaluationReason::Default,
        Reason::TargetingMatch => EvaluationReason::TargetingMatch,
        Reason::Split => EvaluationReason::Split,
        Reason::Cached => EvaluationReason::Cached,
        Reason::Disabled => EvaluationReason::Disabled,
        Reason::Unknown => EvaluationReason::Unknown,
        Reason::Error => EvaluationReason::Error,
        other => EvaluationReason::Other(other.as_str().to_owned()),
    }
}

fn error_code(code: ErrorCode) -> EvaluationErrorCode {
    match code {
        ErrorCode::ProviderNotReady => EvaluationErrorCode::ProviderNotReady,
        ErrorCode::FlagNotFound => EvaluationErrorCode::FlagNotFound,
        ErrorCode::ParseError => EvaluationErrorCode::ParseError,
        ErrorCode::TypeMismatch => EvaluationErrorCode::TypeMismatch,
        ErrorCode::TargetingKeyMissing => EvaluationErrorCode::TargetingKeyMissing,
        ErrorCode::InvalidContext => EvaluationErrorCode::InvalidContext,
        other => EvaluationErrorCode::General(other.as_str().to_owned()),
    }
}

fn metadata_value(value: &MetadataValue) -> FlagMetadataValue {
    match value {
        MetadataValue::Boolean(value) => FlagMetadataValue::Bool(*value),
        MetadataValue::Integer(value) => FlagMetadataValue::Int(*value),
        MetadataValue::Number(value) => FlagMetadataValue::Float(*value),
        MetadataValue::String(value) => FlagMetadataValue::String(value.clone()),
    }
}
