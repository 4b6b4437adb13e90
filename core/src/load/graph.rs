//! References between segments and flags, followed to the end: cycles, chains that are too long, and
//! whatever uses something refused.

use alloc::vec;
use alloc::vec::Vec;

use crate::flag_set::Span;
use crate::json::Json;
use crate::limits;

use super::Loader;
use super::fields::issue;

/// A segment or a flag, as a thing that refers and is referred to.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) refused: bool,
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
        let Some(Item { own, edges, .. }) = self.items.get(item).cloned() else {
            return;
        };
        let mut sum = Reach {
            state: State::Done,
            depth: 1,
            steps: own,
        };
        let mut problem = None;
        for edge in edges.of(&self.edges) {
            let to = edge.to as usize;
            let used = reach.get(to).copied().unwrap_or_default();
            sum.depth = sum.depth.max(used.depth + 1);
            sum.steps = sum.steps.saturating_add(used.steps);
            if self.items.get(to).is_some_and(|item| item.refused) {
                problem = problem.or(Some((edge.at, "this refers to something that was refused")));
            }
        }
        if sum.depth > limits::MAX_REFERENCE_DEPTH {
            let at = edges.of(&self.edges).first().map(|edge| edge.at);
            problem = problem.or(at.map(|at| {
                (
                    at,
                    "segments and prerequisites are chained more than 32 levels deep",
                )
            }));
        }
        if sum.steps > limits::MAX_CONDITION_STEPS {
            let at = edges.of(&self.edges).first().map(|edge| edge.at);
            problem = problem.or(at.map(|at| {
                (
                    at,
                    "resolving this could reach more than 100,000 conditions",
                )
            }));
        }
        if let Some(entry) = reach.get_mut(item) {
            *entry = sum;
        }
        if let Some((at, message)) = problem {
            let problem = issue(at, &[message]);
            self.refuse(item, problem);
        }
    }

    fn follow(&mut self, edge: Edge<'d>, reach: &mut [Reach], stack: &mut Vec<(usize, usize)>) {
        let to = edge.to as usize;
        if reach.get(to).is_none_or(|entry| entry.state != State::Open) {
            self.open(to, reach, stack);
            return;
        }
        // Everything on the stack from the target up lies on a cycle.
        let from = stack.iter().position(|(item, _)| *item == to).unwrap_or(0);
        let cycle: Vec<(usize, usize)> = stack.get(from..).unwrap_or_default().to_vec();
        for (item, done) in cycle {
            if let Some(edge) = self.edge(item, done.wrapping_sub(1)) {
                let problem = issue(edge.at, &["this refers back to itself in a circle"]);
                self.refuse(item, problem);
            }
        }
    }
}
