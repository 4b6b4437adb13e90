//! One flag set for a whole request, and looking without being seen.

use std::sync::Arc;

use bucketry_core::{EvaluationContext, Explanation, FlagSet, UnixMillis};

use crate::client::Client;
use crate::evaluate::getters::{details, read};
use crate::evaluate::{EvaluationDetails, View, typed_getters};
use crate::shared::{Held, Shared};
use crate::status::Origin;

/// One flag set, one set of overrides and one time, pinned: everything that is asked of it in a request is consistent,
/// whatever is published meanwhile. Cheap to make (two reference counts) and to clone; meant to live as long as a request,
/// because it keeps its flag set in memory.
///
/// Values that are used are recorded as exposures, exactly as through the client.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    held: Arc<Held>,
    now: UnixMillis,
}

impl Snapshot {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            held: shared.held_for_long(),
            now: shared.clock.wall(),
            shared: Arc::clone(shared),
        }
    }

    fn view(&self, used: bool) -> View<'_> {
        View {
            shared: &self.shared,
            held: &self.held,
            now: Some(self.now),
            used,
        }
    }

    #[inline]
    fn with<R>(&self, ask: impl FnOnce(View<'_>) -> R) -> R {
        ask(self.view(true))
    }

    typed_getters!();

    /// The value of a string flag without a copy; `default` when the flag set leaves it to the caller, or cannot answer.
    #[must_use]
    pub fn str_value<'a>(
        &'a self,
        flag_key: &'a str,
        context: &'a EvaluationContext<'a>,
        default: &'a str,
    ) -> &'a str {
        let value = self.view(true).value(flag_key, context, read::borrowed);
        value.unwrap_or(default)
    }

    /// The same getters, for looking: nothing is recorded.
    #[must_use]
    pub const fn peek(&self) -> Peek<'_> {
        Peek(Of::Snapshot(self))
    }

    /// The flag set; none while the client has none.
    #[must_use]
    pub fn flag_set(&self) -> Option<&FlagSet> {
        self.held.flag_set.as_deref()
    }

    /// Where the flag set came from.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.held.origin.as_ref()
    }

    /// The time that the rules of flags are held against: that of making the snapshot.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = self.flag_set().map(FlagSet::revision);
        f.debug_struct("Snapshot")
            .field("revision", &revision)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The getters of a client or of a snapshot, for looking: prefetching a page, a dashboard, a log line. No exposure is
/// recorded, because nobody is shown anything.
#[derive(Clone, Copy, Debug)]
pub struct Peek<'a>(pub(crate) Of<'a>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Of<'a> {
    Client(&'a Client),
    Snapshot(&'a Snapshot),
}

impl Peek<'_> {
    fn with<R>(&self, ask: impl FnOnce(View<'_>) -> R) -> R {
        match self.0 {
            Of::Client(client) => client.look(false, ask),
            Of::Snapshot(snapshot) => ask(snapshot.view(false)),
        }
    }

    typed_getters!();
}
