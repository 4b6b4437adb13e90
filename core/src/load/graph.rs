//! References between segments and flags, followed to the end: cycles, chains that are too long, and
//! whatever uses something refused.

use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::Span;
use crate::json::Json;
use crate::limits;
use crate::messages::m;

use super::Loader;
use super::fields::Issue;

/// A segment or a flag, as a thing that refers and is referred to.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) refused: bool,
    /// Another segment has its name.
    pub(super) doubled: bool,
    /// The fingerprint of it and of what it uses beside segments and flags.
    pub(super) print: u64,
    /// Its own condition nodes and rules.
    pub(super) own: u32,
    pub(super) edges: Span,
}

/// A reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'d> {
    pub(super) to: u32,
    pub(super) at: Json<'d>,
}

/// What following an item's references came to.
#[derive(Clone, Copy, Default)]
struct Reach {
    state: State,
    /// Items on the longest chain, this one included.
    depth: u32,
    /// Condition nodes, counted at every use.
    steps: u32,
    print: u64,
    /// Of an open one: its place on the stack.
    place: usize,
}

/// The way from a root to the item being looked at.
#[derive(Default)]
struct Way {
    /// The items, and how many edges of each are done.
    stack: Vec<(usize, usize)>,
    /// The places of those that are not known to lie on a cycle, ascending. Each item is found to do so once,
    /// however many edges lead back.
    straight: Vec<usize>,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum State {
    #[default]
    New,
    Open,
    Done,
}

impl<'d> Loader<'d> {
    /// Refuses every item whose references do not come to a good end. Depth first, with a stack of its own:
    /// a document may chain 100,000 flags.
    pub(super) fn settle(&mut self) {
        let mut reach = vec![Reach::default(); self.items.len()];
        let mut way = Way::default();
        for root in 0..self.items.len() {
            open(root, &mut reach, &mut way);
            while let Some((item, done)) = way.stack.last_mut() {
                let item = *item;
                match self.edge(item, *done) {
                    Some(edge) => {
                        *done += 1;
                        self.follow(edge, &mut reach, &mut way);
                    }
                    None => {
                        way.stack.pop();
                        if way.straight.last() == Some(&way.stack.len()) {
                            way.straight.pop();
                        }
                        self.close(item, &mut reach);
                    }
                }
            }
        }
    }

    fn edge(&self, item: usize, number: usize) -> Option<Edge<'d>> {
        let edges = self.items.get(item)?.edges.of(&self.edges);
        edges.get(number).copied()
    }

    fn close(&mut self, item: usize, reach: &mut [Reach]) {
        let Some(Item {
            own, edges, print, ..
        }) = self.items.get(item).cloned()
        else {
            return;
        };
        let mut sum = Reach {
            state: State::Done,
            depth: 1,
            steps: own,
            print,
            place: 0,
        };
        let mut problem = None;
        for edge in edges.of(&self.edges) {
            let to = edge.to as usize;
            let used = reach.get(to).copied().unwrap_or_default();
            sum.depth = sum.depth.max(used.depth + 1);
            sum.steps = sum.steps.saturating_add(used.steps);
            // A sum: in which order they are named makes no difference.
            sum.print = sum.print.wrapping_add(used.print.rotate_left(17));
            if problem.is_none() && self.items.get(to).is_some_and(|item| item.refused) {
                problem = Some((edge.at, m!("this refers to something that was refused")));
            }
        }
        if problem.is_none()
            && let Some(edge) = edges.of(&self.edges).first()
        {
            if sum.depth > limits::MAX_REFERENCE_DEPTH {
                problem = Some((
                    edge.at,
                    m!("segments and prerequisites are chained more than 32 levels deep"),
                ));
            } else if sum.steps > limits::MAX_CONDITION_STEPS {
                problem = Some((
                    edge.at,
                    m!("resolving this could reach more than 100,000 conditions"),
                ));
            }
        }
        if let Some(entry) = reach.get_mut(item) {
            *entry = sum;
        }
        if let Some((at, message)) = problem {
            self.refuse(item, &Issue::new(at, message));
        }
        let refused = self.items.get(item).is_some_and(|item| item.refused);
        let flag = item.checked_sub(self.tables.segments.len());
        if let Some(print) = flag.and_then(|flag| self.tables.fingerprints.get_mut(flag)) {
            *print = sum.print ^ u64::from(refused);
        }
    }

    fn follow(&mut self, edge: Edge<'d>, reach: &mut [Reach], way: &mut Way) {
        let to = edge.to as usize;
        let open_at = reach.get(to).filter(|entry| entry.state == State::Open);
        let Some(place) = open_at.map(|entry| entry.place) else {
            open(to, reach, way);
            return;
        };
        // Everything on the stack from the target up lies on a cycle.
        let from = way.straight.partition_point(|at| *at < place);
        for at in way.straight.get(from..).unwrap_or_default() {
            let Some(&(item, done)) = way.stack.get(*at) else {
                continue;
            };
            if let Some(edge) = self.edge(item, done.wrapping_sub(1)) {
                let problem = Issue::new(edge.at, m!("this refers back to itself in a circle"));
                self.refuse(item, &problem);
            }
        }
        way.straight.truncate(from);
    }
}

fn open(item: usize, reach: &mut [Reach], way: &mut Way) {
    if let Some(entry) = reach.get_mut(item)
        && entry.state == State::New
    {
        entry.state = State::Open;
        entry.place = way.stack.len();
        way.straight.push(way.stack.len());
        way.stack.push((item, 0));
    }
}
