//! What the peers' programs print, kept in the order of printing.

use std::collections::HashMap;
use std::error::Error;

/// Name of the way under which every program measures the floors.
pub(crate) const BY_HAND: &str = "by hand";

/// One way into one implementation, with its measurements.
pub(crate) struct Way {
    pub(crate) program: String,
    pub(crate) name: String,
    /// By scenario and name, as in `("S2", "ns")`.
    values: HashMap<(String, String), f64>,
}

impl Way {
    /// A measurement, if it was made.
    pub(crate) fn get(&self, scenario: &str, name: &str) -> Option<f64> {
        self.values
            .get(&(scenario.to_owned(), name.to_owned()))
            .copied()
    }
}

/// All measurements of a run.
#[derive(Default)]
pub(crate) struct Results {
    ways: Vec<Way>,
}

impl Results {
    /// Adds what a program printed. Of a time measured before, the lower counts: what disturbs a
    /// measurement only ever adds to it.
    pub(crate) fn read(&mut self, program: &str, output: &str) -> Result<(), Box<dyn Error>> {
        for line in output.lines() {
            let mut fields = line.split('\t');
            if fields.next() != Some("measured") {
                continue;
            }
            let mut field = || {
                fields
                    .next()
                    .ok_or_else(|| format!("{program} printed `{line}`"))
            };
            let (way, scenario, name, value) = (field()?, field()?, field()?, field()?);
            let value: f64 = value.parse()?;
            let key = (scenario.to_owned(), name.to_owned());
            let known = self.way(program, way).values.entry(key).or_insert(value);
            *known = known.min(value);
        }
        Ok(())
    }

    fn way(&mut self, program: &str, name: &str) -> &mut Way {
        let known = self
            .ways
            .iter()
            .position(|way| way.program == program && way.name == name);
        let position = known.unwrap_or_else(|| {
            self.ways.push(Way {
                program: program.to_owned(),
                name: name.to_owned(),
                values: HashMap::new(),
            });
            self.ways.len() - 1
        });
        &mut self.ways[position]
    }

    /// The ways into implementations, without the floors.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| way.name != BY_HAND)
    }

    /// The floors as measured in one program.
    pub(crate) fn floors(&self, program: &str) -> Option<&Way> {
        self.ways
            .iter()
            .find(|way| way.program == program && way.name == BY_HAND)
    }

    /// The main way into bucketry: the first that its program prints.
    pub(crate) fn bucketry(&self) -> Option<&Way> {
        self.ways().find(|way| way.program == "bucketry")
    }

    /// The lowest and highest time of a floor over all programs: the same work, so the noise.
    pub(crate) fn spread(&self, floor: &str) -> Option<(f64, f64)> {
        let times = self.ways.iter().filter(|way| way.name == BY_HAND);
        times
            .filter_map(|way| way.get(floor, "ns"))
            .fold(None, |spread, time| {
                let (low, high) = spread.unwrap_or((time, time));
                Some((time.min(low), time.max(high)))
            })
    }
}
