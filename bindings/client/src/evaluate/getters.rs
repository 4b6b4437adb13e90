//! The getters, written once for whatever can be asked: a client, a snapshot, and looking only at either.

/// Adds the getters to a type that has `fn with<R>(&self, ask: impl FnOnce(View<'_>) -> R) -> R`.
macro_rules! typed_getters {
    () => {
        /// The value of a boolean flag; `default` when the flag set leaves it to the caller, or cannot answer.
        ///
        /// Never fails, never waits: where something is wrong, [`bool_details`](Self::bool_details) says what.
        #[inline]
        #[must_use]
        pub fn bool_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: bool,
        ) -> bool {
            self.with(|view| view.value(flag_key, context, read::boolean))
                .unwrap_or(default)
        }

        /// [`bool_value`](Self::bool_value) with what led to it.
        #[must_use]
        pub fn bool_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: bool,
        ) -> EvaluationDetails<bool> {
            self.with(|view| details(view, flag_key, context, read::boolean, || default))
        }

        /// The value of a string flag; `default` when the flag set leaves it to the caller, or cannot answer.
        #[must_use]
        pub fn string_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: &str,
        ) -> String {
            self.with(|view| view.value(flag_key, context, read::string))
                .unwrap_or_else(|| default.to_owned())
        }

        /// [`string_value`](Self::string_value) with what led to it.
        #[must_use]
        pub fn string_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: &str,
        ) -> EvaluationDetails<String> {
            self.with(|view| details(view, flag_key, context, read::string, || default.to_owned()))
        }

        /// The value of an integer flag; `default` when the flag set leaves it to the caller, or cannot answer. A flag of
        /// type `number` is another type: see [`float_value`](Self::float_value).
        #[inline]
        #[must_use]
        pub fn integer_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: i64,
        ) -> i64 {
            self.with(|view| view.value(flag_key, context, read::integer))
                .unwrap_or(default)
        }

        /// [`integer_value`](Self::integer_value) with what led to it.
        #[must_use]
        pub fn integer_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: i64,
        ) -> EvaluationDetails<i64> {
            self.with(|view| details(view, flag_key, context, read::integer, || default))
        }

        /// The value of a number flag; `default` when the flag set leaves it to the caller, or cannot answer. Nothing is
        /// coerced: a flag of type `integer` answers the default, with `TYPE_MISMATCH` in the details.
        #[inline]
        #[must_use]
        pub fn float_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: f64,
        ) -> f64 {
            self.with(|view| view.value(flag_key, context, read::float))
                .unwrap_or(default)
        }

        /// [`float_value`](Self::float_value) with what led to it.
        #[must_use]
        pub fn float_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: f64,
        ) -> EvaluationDetails<f64> {
            self.with(|view| details(view, flag_key, context, read::float, || default))
        }

        /// The value of an object flag as JSON text; `default` when the flag set leaves it to the caller, or cannot answer.
        #[must_use]
        pub fn json_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: &str,
        ) -> String {
            self.with(|view| view.value(flag_key, context, read::json))
                .unwrap_or_else(|| default.to_owned())
        }

        /// [`json_value`](Self::json_value) with what led to it.
        #[must_use]
        pub fn json_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: &str,
        ) -> EvaluationDetails<String> {
            self.with(|view| details(view, flag_key, context, read::json, || default.to_owned()))
        }

        /// The value of an object flag, an object or a list; `default` when the flag set leaves it to the caller, or cannot
        /// answer.
        #[cfg(feature = "json")]
        #[must_use]
        pub fn object_value(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: serde_json::Value,
        ) -> serde_json::Value {
            self.object_as(flag_key, context, default)
        }

        /// [`object_value`](Self::object_value) with what led to it.
        #[cfg(feature = "json")]
        #[must_use]
        pub fn object_details(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: serde_json::Value,
        ) -> EvaluationDetails<serde_json::Value> {
            self.object_as_details(flag_key, context, default)
        }

        /// The value of an object flag, read into a type of yours; `default` when the flag set leaves it to the caller, cannot
        /// answer, or has a value that does not fit the type.
        #[cfg(feature = "json")]
        #[must_use]
        pub fn object_as<T: serde::de::DeserializeOwned>(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: T,
        ) -> T {
            self.with(|view| view.value(flag_key, context, read::object))
                .unwrap_or(default)
        }

        /// [`object_as`](Self::object_as) with what led to it. A value that does not fit the type is `TYPE_MISMATCH`.
        #[cfg(feature = "json")]
        #[must_use]
        pub fn object_as_details<T: serde::de::DeserializeOwned>(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
            default: T,
        ) -> EvaluationDetails<T> {
            self.with(|view| details(view, flag_key, context, read::object, || default))
        }

        /// Why the flag resolves as it does: every rule and condition, what it saw and how it ended. Records nothing, and
        /// knows nothing of overrides. None while there is no flag set.
        #[must_use]
        pub fn explain(
            &self,
            flag_key: &str,
            context: &EvaluationContext<'_>,
        ) -> Option<Explanation> {
            self.with(|view| view.explain(flag_key, context))
        }
    };
}

pub(crate) use typed_getters;

use bucketry_core::{EvaluationContext, Value};

use super::{EvaluationDetails, Mismatch, View};

pub(crate) fn details<'a, T>(
    view: View<'a>,
    key: &'a str,
    context: &'a EvaluationContext<'a>,
    read: impl FnOnce(Value<'a>) -> Result<T, Mismatch>,
    default: impl FnOnce() -> T,
) -> EvaluationDetails<T> {
    let (value, answer) = view.answer(key, context, read);
    EvaluationDetails::new(key, value.unwrap_or_else(default), answer)
}

/// From the value of a variant to what was asked for.
pub(crate) mod read {
    use bucketry_core::Value;

    use super::Mismatch;

    pub(crate) fn boolean(value: Value<'_>) -> Result<bool, Mismatch> {
        value.as_bool().ok_or(Mismatch::Type)
    }

    pub(crate) fn string(value: Value<'_>) -> Result<String, Mismatch> {
        value.as_str().map(Into::into).ok_or(Mismatch::Type)
    }

    pub(crate) fn borrowed(value: Value<'_>) -> Result<&str, Mismatch> {
        value.as_str().ok_or(Mismatch::Type)
    }

    pub(crate) fn integer(value: Value<'_>) -> Result<i64, Mismatch> {
        value.as_i64().ok_or(Mismatch::Type)
    }

    pub(crate) fn float(value: Value<'_>) -> Result<f64, Mismatch> {
        value.as_f64().ok_or(Mismatch::Type)
    }

    pub(crate) fn json(value: Value<'_>) -> Result<String, Mismatch> {
        value.as_json().map(Into::into).ok_or(Mismatch::Type)
    }

    #[cfg(feature = "json")]
    pub(crate) fn object<T: serde::de::DeserializeOwned>(value: Value<'_>) -> Result<T, Mismatch> {
        let text = value.as_json().ok_or(Mismatch::Type)?;
        serde_json::from_str(text).map_err(|error| Mismatch::Content(error.to_string()))
    }
}
