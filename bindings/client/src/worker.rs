//! The one thread of a client: a current-thread runtime of its own, so that neither sync nor async programs have to bring
//! anything, and nobody's runtime is held up.

mod driver;
mod feed;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::exposures::FlushReport;
use crate::metrics::bump;
use crate::shared::{Arm, Command, Shared};
use crate::source::Source;
use driver::Driver;

/// After a panic of the worker itself the thread begins anew, but not faster than this.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Starts the thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    arm: &Arc<Arm>,
    commands: mpsc::UnboundedReceiver<Command>,
    sources: Vec<Arc<dyn Source>>,
) -> io::Result<()> {
    // Host names are looked up by a function that blocks, and sinks may block too: on threads that end when they have had
    // nothing to do for a while.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("bucketry-io")
        .max_blocking_threads(4)
        .build()?;
    let (shared, arm) = (Arc::clone(shared), Arc::clone(arm));
    std::thread::Builder::new()
        .name("bucketry".to_owned())
        .spawn(move || {
            let _ = arm.thread.set(std::thread::current().id());
            let exposures = shared.held_for_long().recorder.log().cloned();
            if let Some(exposures) = exposures.clone() {
                runtime.spawn(async move { exposures.run().await });
            }
            let limit = drive(&runtime, &shared, &arm, commands, &sources);
            let report = match exposures {
                Some(exposures) => runtime.block_on(exposures.shut_down(limit)),
                None => FlushReport::default(),
            };
            // A name that is being looked up must not hold the end up.
            runtime.shutdown_background();
            arm.hub.close();
            arm.ended.send_replace(Some(report));
        })?;
    Ok(())
}

/// Until the client is closed; for how long to deliver what is pending.
fn drive(
    runtime: &Runtime,
    shared: &Arc<Shared>,
    arm: &Arc<Arm>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    sources: &[Arc<dyn Source>],
) -> Duration {
    loop {
        let driver = Driver::new(Arc::clone(shared), Arc::clone(arm), sources.to_vec());
        let run = AssertUnwindSafe(|| runtime.block_on(driver.run(&mut commands)));
        match catch_unwind(run) {
            Ok(limit) => return limit,
            Err(_) => {
                // What calls out (sources, callbacks, sinks) is caught where it is called; this is a fault of this crate or of a
                // `tracing` subscriber, which is therefore not asked to tell.
                bump(&shared.meters.worker_panics);
                std::thread::sleep(AFTER_PANIC);
            }
        }
    }
}
