//! Nobody but the policy makes a proof.

use airlock_contract::permissions::scope::Deployment;
use airlock_core::policy::{Granted, Place};

fn forge(place: Place) -> Granted<Deployment> {
    Granted { place, scope: std::marker::PhantomData }
}

fn main() {}
