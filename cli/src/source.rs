//! Where flag sets come from: a file, standard input, another service's document, or the example that is part of the
//! program.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bucketry_core::limits::MAX_DOCUMENT_BYTES;
use bucketry_core::{FlagSet, Severity};
use bucketry_import::{Dialect, Format, Import, ImportOptions, Malformed, import};
use clap::builder::{PossibleValuesParser, TypedValueParser, ValueHint};

use crate::failure::{Failure, Result, note, warning};
use crate::style::count;

/// The example shop's flag set.
pub(crate) const EXAMPLE: &str = include_str!("../../examples/flags.json");
/// A visitor of the example shop on each line.
pub(crate) const EXAMPLE_CONTEXTS: &str = include_str!("../../examples/contexts.ndjson");
/// The same shop as another service would describe it.
const EXAMPLE_UFC: &str = include_str!("../../examples/ufc.json");
const EXAMPLE_GROWTHBOOK: &str = include_str!("../../examples/growthbook.json");
const EXAMPLE_UNLEASH: &str = include_str!("../../examples/unleash.json");

/// A text and what messages call it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Document {
    /// Reads a file, or standard input for `-`. Of a document over the core's limit only so much that the
    /// core sees it is over.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        let limit = MAX_DOCUMENT_BYTES as u64 + 1;
        let read = if is_stdin(path) {
            io::stdin().lock().take(limit).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        };
        read.map_err(|error| Failure::file("read", path, &error))?;
        Ok(Self {
            name: display_name(path),
            bytes,
        })
    }

    fn example(format: Option<Format>) -> Self {
        let (name, text) = match format {
            Some(Format::GrowthBook) => ("examples/growthbook.json", EXAMPLE_GROWTHBOOK),
            Some(Format::Unleash) => ("examples/unleash.json", EXAMPLE_UNLEASH),
            Some(_) => ("examples/ufc.json", EXAMPLE_UFC),
            None => ("examples/flags.json", EXAMPLE),
        };
        Self {
            name: name.into(),
            bytes: text.into(),
        }
    }
}

/// Whether a path stands for standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call a path.
pub(crate) fn display_name(path: &Path) -> String {
    match is_stdin(path) {
        true => "standard input".into(),
        false => path.display().to_string(),
    }
}

/// A flag set to answer from, and which of its flags.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// The flag set, `-` for standard input. Without it the example that comes with the program
    #[arg(value_name = "FLAGS_FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Flags to answer for. Without any: every flag
    #[arg(value_name = "FLAG")]
    flags: Vec<String>,
    #[command(flatten)]
    import: ImportArgs,
}

/// What a [`Selection`] came to.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) set: FlagSet,
    /// The keys asked for; empty for all.
    pub(crate) flags: Vec<String>,
    /// Whether the flag set is the example, named or not: then its visitors are known too.
    pub(crate) is_example: bool,
    /// Whether a flag set was named at all.
    pub(crate) is_named: bool,
}

impl Selected {
    /// The keys to answer for, in the order given or else of the document.
    pub(crate) fn flag_keys(&self) -> Vec<&str> {
        match self.flags.as_slice() {
            [] => self.set.flag_keys().collect(),
            flags => flags.iter().map(String::as_str).collect(),
        }
    }
}

impl Selection {
    /// Whether flags are to come from standard input.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.file.as_deref().is_some_and(is_stdin)
    }

    /// Loads the flag set. Tells on stderr when it is the example, and what in it is refused.
    pub(crate) fn load(self) -> Result<Selected> {
        let Self {
            file,
            mut flags,
            import,
        } = self;
        let Some(file) = file else {
            return import.example(flags);
        };
        if !is_stdin(&file) && !file.exists() {
            // `bucketry explain new-checkout` asks for a flag of the example.
            let name = display_name(&file);
            let example = import.compile(&import.example_document())?.set;
            if example.flag(&name).is_some() {
                flags.insert(0, name);
                return import.example(flags);
            }
            let failure = Failure::new(format!("there is no file `{name}`"));
            if file.components().count() > 1 || file.extension().is_some() {
                return Err(failure);
            }
            let known: Vec<&str> = example.flag_keys().collect();
            return Err(failure.help(format!(
                "the first argument is the flag set, unless it is a flag of the example: {}",
                known.join(", ")
            )));
        }
        let document = Document::read(&file)?;
        let set = import.flag_set(&document)?;
        Ok(Selected {
            set,
            flags,
            is_example: document.bytes == import.example_document().bytes,
            is_named: true,
        })
    }
}

/// Whose format a document is in, and how to read it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Documents of other flag services")]
pub(crate) struct ImportArgs {
    /// The document is another service's: translate it first. `growthbook`, `unleash`, or `ufc`, which is Datadog's and Eppo's
    #[arg(long, value_name = "FORMAT", value_parser = named::<Format>(Format::ALL.iter().map(|format| format.as_str())))]
    pub(crate) from: Option<Format>,
    /// Whose reading of the format, where its SDKs disagree [default: found out from the document]
    #[arg(long, value_name = "NAME", requires = "from",
          value_parser = named::<Dialect>(Dialect::ALL.iter().map(|dialect| dialect.as_str())))]
    dialect: Option<Dialect>,
    /// What a flag answers that the source's own SDKs cannot read either [default: parse-error]
    #[arg(long, value_name = "ANSWER", requires = "from",
          value_parser = named::<Malformed>(Malformed::ALL.iter().map(|answer| answer.as_str())))]
    malformed: Option<Malformed>,
    /// Whether names and texts are hashed [default: found out from the document]
    #[arg(long, value_name = "BOOL", requires = "from")]
    obfuscated: Option<bool>,
    /// Flag keys that an obfuscated document has only hashes of
    #[arg(long, value_name = "KEY", value_delimiter = ',', requires = "from")]
    known_flags: Vec<String>,
    /// Attribute names that an obfuscated document has only hashes of
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "from")]
    known_attributes: Vec<String>,
}

/// Reads one of `names`.
fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

impl ImportArgs {
    /// The example, in the format asked for.
    fn example_document(&self) -> Document {
        Document::example(self.from)
    }

    fn example(&self, flags: Vec<String>) -> Result<Selected> {
        let document = self.example_document();
        note(format_args!(
            "no flag set is named, so the example answers: {}",
            document.name
        ));
        Ok(Selected {
            set: self.flag_set(&document)?,
            flags,
            is_example: true,
            is_named: false,
        })
    }

    /// The document to translate: the file's, or the example of the format.
    pub(crate) fn document(&self, file: Option<&Path>) -> Result<Document> {
        match file {
            Some(file) => Document::read(file),
            None => Ok(self.example_document()),
        }
    }

    /// Translates a document of another service.
    pub(crate) fn translate(&self, format: Format, document: &Document) -> Result<Import> {
        let mut options = ImportOptions::new()
            .malformed(self.malformed.unwrap_or_default())
            .known_flags(self.known_flags.iter().map(String::as_str))
            .known_attributes(self.known_attributes.iter().map(String::as_str));
        if let Some(dialect) = self.dialect {
            options = options.dialect(dialect);
        }
        if let Some(obfuscated) = self.obfuscated {
            options = options.obfuscated(obfuscated);
        }
        import(format, &document.bytes, &options)
            .map_err(|error| Failure::new(format!("`{}`: {error}", document.name)))
    }

    /// The flag set that a document is, or is translated to. Tells on stderr what in it is refused.
    pub(crate) fn flag_set(&self, document: &Document) -> Result<FlagSet> {
        let compiled = self.compile(document)?;
        for text in compiled.warnings {
            warning(text);
        }
        Ok(compiled.set)
    }

    /// The flag set that a document is, or is translated to, and what is worth telling about it.
    pub(crate) fn compile(&self, document: &Document) -> Result<Compiled> {
        let name = &document.name;
        let Some(format) = self.from else {
            let set = FlagSet::from_json(&document.bytes)
                .map_err(|error| Failure::new(format!("`{name}`: {error}")))?;
            return Ok(Compiled {
                warnings: refused(&set, name).into_iter().collect(),
                translated: None,
                set,
            });
        };
        let translated = self.translate(format, document)?;
        let refusals = translated.report.refusals.iter();
        let warnings = refusals
            .map(|refusal| format!("`{name}`: {}: {}", refusal.pointer, refusal.reason))
            .collect();
        let set = FlagSet::from_json(translated.document.as_bytes())
            .map_err(|error| Failure::new(format!("`{name}`, translated: {error}")))?;
        Ok(Compiled {
            set,
            warnings,
            translated: Some(translated.document),
        })
    }
}

/// A flag set, and what is worth telling about it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) set: FlagSet,
    pub(crate) warnings: Vec<String>,
    /// The flag set as text, where the document was another service's.
    #[cfg_attr(
        not(feature = "serve"),
        allow(dead_code, reason = "only `serve` hands it on")
    )]
    pub(crate) translated: Option<String>,
}

/// That flags are refused, if some are.
fn refused(set: &FlagSet, name: &str) -> Option<String> {
    let diagnostics = set.diagnostics().iter();
    let errors = diagnostics.filter(|diagnostic| diagnostic.severity == Severity::Error);
    match errors.count() {
        0 => None,
        errors => Some(format!(
            "`{name}` has {}; flags in error answer PARSE_ERROR. To see more: bucketry validate {name}",
            count(errors, "error")
        )),
    }
}
