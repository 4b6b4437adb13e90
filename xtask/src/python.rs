//! The parts that are Python's work: the independent evaluator, and SQL engines from PyPI.

use crate::project::{Project, Stop};
use crate::tools;

pub(crate) fn reference(project: &Project) -> Result<(), Stop> {
    tools::need("python3")?;
    project.command("python3 -m tests.reference.check").run()?;
    project
        .command("cargo test -p bucketry-tests --test differential")
        .run()
}

pub(crate) fn sql(project: &Project) -> Result<(), Stop> {
    let python = tools::python(project, "sql")?;
    for script in ["tests/sql/check.py", "tests/sql/exposures.py"] {
        project.program(&python).arg(script).run()?;
    }
    Ok(())
}
