//! The core as a bare wasm module (`tests/size`), and what it imports.

use crate::project::{Project, Stop, fail};
use crate::tools;
use std::path::PathBuf;

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the probe and gives the path of its module, as the compiler leaves it.
pub(crate) fn build(project: &Project) -> Result<PathBuf, Stop> {
    tools::target(project, TARGET)?;
    let line = format!("cargo build -p bucketry-size --profile wasm --target {TARGET}");
    project.command(&line).run()?;
    Ok(project.target.join(TARGET).join("wasm/bucketry_size.wasm"))
}

/// What a module imports, each as `module.name`.
///
/// Source: WebAssembly Core Specification 2.0, sections 5.2.2 (integers) and 5.5 (modules).
pub(crate) fn imports(module: &[u8]) -> Result<Vec<String>, Stop> {
    const IMPORT_SECTION: u8 = 2;
    let Some(mut rest) = module.strip_prefix(b"\0asm\x01\0\0\0") else {
        return fail("not a wasm module of version 1");
    };
    while let Some((id, after)) = rest.split_first() {
        let mut reader = Reader(after);
        let section = reader.bytes()?;
        rest = reader.0;
        if *id == IMPORT_SECTION {
            return Reader(section).imports();
        }
    }
    Ok(Vec::new())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn imports(&mut self) -> Result<Vec<String>, Stop> {
        let mut names = Vec::new();
        for _ in 0..self.number()? {
            let [module, name] = [self.text()?, self.text()?];
            names.push(format!("{module}.{name}"));
            self.description()?;
        }
        Ok(names)
    }

    /// Steps over the type of an import: a function, table, memory or global.
    fn description(&mut self) -> Result<(), Stop> {
        match self.byte()? {
            0 => self.number().map(drop),
            1 => self.byte().and_then(|_| self.limits()),
            2 => self.limits(),
            3 => self.byte().and_then(|_| self.byte()).map(drop),
            kind => fail(format!("an import of unknown kind {kind}")),
        }
    }

    fn limits(&mut self) -> Result<(), Stop> {
        let bounded = self.byte()? & 1 == 1;
        self.number()?;
        if bounded {
            self.number().map(drop)
        } else {
            Ok(())
        }
    }

    /// An unsigned LEB128 number of at most 32 bits.
    fn number(&mut self) -> Result<usize, Stop> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        fail("a wasm number is too long")
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let Some((byte, rest)) = self.0.split_first() else {
            return fail("the wasm module ends early");
        };
        self.0 = rest;
        Ok(*byte)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.number()?;
        let Some((bytes, rest)) = self.0.split_at_checked(length) else {
            return fail("the wasm module ends early");
        };
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(sections: &[u8]) -> Vec<String> {
        let module = [b"\0asm\x01\0\0\0", sections].concat();
        imports(&module)
            .map_err(|stop| stop.to_string())
            .expect("a valid module")
    }

    #[test]
    fn imports_of_every_kind_are_named() {
        let section = [
            &[2, 39, 4][..],                 // import section, 39 bytes, four imports
            b"\x03env\x01f\x00\x80\x01",     // a function of type 128
            b"\x03env\x01t\x01\x70\x00\x01", // a table without an upper bound
            b"\x03env\x01m\x02\x01\x01\x02", // a memory with one
            b"\x03env\x01g\x03\x7F\x00",     // a global
        ]
        .concat();
        assert_eq!(imported(&section), ["env.f", "env.t", "env.m", "env.g"]);
    }

    #[test]
    fn a_module_without_an_import_section_imports_nothing() {
        assert_eq!(imported(&[1, 1, 0]), <[&str; 0]>::default());
    }

    #[test]
    fn a_truncated_module_is_an_error() {
        assert!(imports(b"\0asm\x01\0\0\0\x02\x05\x01").is_err());
    }
}
