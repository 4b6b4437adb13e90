//! What a run tells about itself, when it is asked to.

/// A law that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) detail: String,
}

/// Whether all laws held so far.
pub(crate) type Checked = Result<(), Broken>;

/// Breaks `law` unless the condition holds.
macro_rules! hold {
    ($law:expr, $condition:expr, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::trace::Broken { law: $law, detail: format!($($detail)+) });
        }
    };
}

/// Writes a line of the trace, if there is one.
macro_rules! note {
    ($world:expr, $($line:tt)+) => {
        if $world.trace.is_on() {
            let now = $world.now;
            $world.trace.line(now, &format!($($line)+));
        }
    };
}

pub(crate) use {hold, note};

#[derive(Default)]
pub(crate) struct Trace(Option<Vec<String>>);

impl Trace {
    pub(crate) fn on() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn line(&mut self, now: u64, text: &str) {
        if let Some(lines) = &mut self.0 {
            let (seconds, millis) = (now / 1_000, now % 1_000);
            lines.push(format!("{seconds:6}.{millis:03}  {text}"));
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}
