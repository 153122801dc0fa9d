//! Every order of the lease protocol's steps, and of those of its wrong variants.

use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};

use airlock_models::lease::{Flaw, PROMISE, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn the_promise_holds_in_every_state() {
    let from = Instant::now();
    let checked = Protocol::default().checker().spawn_bfs().join();
    let (states, steps) = (checked.unique_state_count(), checked.state_count());
    println!("{states} states, {steps} steps, at most {} deep, in {:.1?}", checked.max_depth(), from.elapsed());
    assert!(checked.is_done());
    checked.assert_properties();
    // The checker stops when it has nothing more to find, and it knows states by 64-bit hashes.
    assert_eq!(states, reachable(&Protocol::default()), "it has not looked at all states");
}

/// Counts the states once more, by a plain search.
fn reachable(protocol: &Protocol) -> usize {
    let mut next = protocol.init_states();
    let mut seen: HashSet<_> = next.iter().copied().collect();
    while let Some(state) = next.pop() {
        next.extend(protocol.next_states(&state).into_iter().filter(|state| seen.insert(*state)));
    }
    seen.len()
}

/// That the model can fail, and that each of these rules is needed.
#[test]
fn every_flaw_breaks_the_promise() {
    for flaw in Flaw::ALL {
        let checked = Protocol { flaw: Some(flaw) }
            .checker()
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([PROMISE])))
            .spawn_bfs()
            .join();
        let path = checked.discovery(PROMISE);
        let path = path.unwrap_or_else(|| panic!("{flaw:?} breaks nothing in {} states", checked.unique_state_count()));
        println!("{flaw:?}: {:?}", path.into_actions());
    }
}
