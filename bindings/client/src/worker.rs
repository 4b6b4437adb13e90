//! The one thread of a client: a current-thread runtime of its own, so that neither sync nor async programs have to bring
//! anything, and nobody's runtime is held up.

mod driver;
mod feed;

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::shared::{Arm, Command, Shared};
use crate::source::Source;
use driver::Driver;

/// Starts the thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    arm: &Arc<Arm>,
    commands: mpsc::UnboundedReceiver<Command>,
    sources: Vec<Arc<dyn Source>>,
) -> io::Result<()> {
    // Host names are looked up by a function that blocks, on a second thread that ends when it has had nothing to do for
    // a while.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("bucketry-io")
        .max_blocking_threads(4)
        .build()?;
    let (worker_shared, worker_arm) = (Arc::clone(shared), Arc::clone(arm));
    let handle = std::thread::Builder::new()
        .name("bucketry".to_owned())
        .spawn(move || {
            let _ = worker_arm.thread.set(std::thread::current().id());
            let driver = Driver::new(worker_shared, Arc::clone(&worker_arm), sources);
            let reply = runtime.block_on(driver.run(commands));
            // A name that is being looked up must not hold the end up.
            runtime.shutdown_background();
            worker_arm.hub.close();
            if let Some(reply) = reply {
                let _ = reply.send(());
            }
        })?;
    if let Ok(mut place) = arm.handle.lock() {
        *place = Some(handle);
    }
    Ok(())
}
