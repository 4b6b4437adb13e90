//! References between segments and flags, followed to the end: cycles, chains that are too long, and
//! whatever uses something refused.

use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::Span;
use crate::json::Json;
use crate::limits;

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
    /// Its own condition nodes.
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
        // The item, and how many of its edges are done.
        let mut stack: Vec<(usize, usize)> = Vec::new();
        for root in 0..self.items.len() {
            self.open(root, &mut reach, &mut stack);
            while let Some((item, done)) = stack.last_mut() {
                let item = *item;
                match self.edge(item, *done) {
                    Some(edge) => {
                        *done += 1;
                        self.follow(edge, &mut reach, &mut stack);
                    }
                    None => {
                        stack.pop();
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

    fn open(&self, item: usize, reach: &mut [Reach], stack: &mut Vec<(usize, usize)>) {
        if let Some(entry) = reach.get_mut(item) {
            if entry.state == State::New {
                entry.state = State::Open;
                stack.push((item, 0));
            }
        }
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
                problem = Some((edge.at, "this refers to something that was refused"));
            }
        }
        if problem.is_none()
            && let Some(edge) = edges.of(&self.edges).first()
        {
            if sum.depth > limits::MAX_REFERENCE_DEPTH {
                problem = Some((
                    edge.at,
                    "segments and prerequisites are chained more than 32 levels deep",
                ));
            } else if sum.steps > limits::MAX_CONDITION_STEPS {
                problem = Some((
                    edge.at,
                    "resolving this could reach more than 100,000 conditions",
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

    fn follow(&mut self, edge: Edge<'d>, reach: &mut [Reach], stack: &mut Vec<(usize, usize)>) {
        let to = edge.to as usize;
        if reach.get(to).is_none_or(|entry| entry.state != State::Open) {
            self.open(to, reach, stack);
            return;
        }
        // Everything on the stack from the target up lies on a cycle.
        let mut in_cycle = false;
        for (item, done) in &*stack {
            in_cycle |= *item == to;
            if in_cycle && let Some(edge) = self.edge(*item, done.wrapping_sub(1)) {
                let problem = Issue::new(edge.at, "this refers back to itself in a circle");
                self.refuse(*item, &problem);
            }
        }
    }
}
