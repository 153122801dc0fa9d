//! Uploads that are under way. Each holds some MiB of memory for as long as its client takes, so their
//! number is bounded, and no Organization or deploy takes all places from the others.

use airlock_contract::{DeployId, OrganizationId};
use airlock_core::{Error, Result};

use crate::slots::{Slot, Slots};

/// How many are under way at the same time.
const MOST: u32 = 32;

/// How many of one Organization.
const MOST_OF_ORGANIZATION: u32 = 16;

/// How many of one deploy. Clients send a few blocks at a time.
const MOST_OF_DEPLOY: u32 = 8;

/// The uploads that are under way.
#[derive(Default)]
pub(crate) struct Uploads {
    all: Slots<()>,
    of_organizations: Slots<OrganizationId>,
    of_deploys: Slots<DeployId>,
    bytes: Slots<DeployId>,
}

/// A place among them; given back when it is dropped.
pub(super) type Place = (Slot<()>, Slot<OrganizationId>, Slot<DeployId>);

impl Uploads {
    /// Takes a place.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when there is none.
    pub(super) fn begin(&self, organization: &OrganizationId, deploy: &DeployId) -> Result<Place> {
        let full = |of: &str, most| Error::Busy(format!("{most} uploads{of} are under way"));
        let of_deploy = self.of_deploys.take(deploy, MOST_OF_DEPLOY);
        let of_deploy = of_deploy.ok_or_else(|| full(" of the deploy", MOST_OF_DEPLOY))?;
        let of_organization = self.of_organizations.take(organization, MOST_OF_ORGANIZATION);
        let of_organization = of_organization.ok_or_else(|| full(" of the Organization", MOST_OF_ORGANIZATION))?;
        let place = self.all.take(&(), MOST).ok_or_else(|| full("", MOST))?;
        Ok((place, of_organization, of_deploy))
    }

    /// Says how many bytes may come for a deploy, until the answer is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when more than `most` are under way then.
    pub(super) fn expect(&self, deploy: &DeployId, bytes: u64, most: u64) -> Result<Slot<DeployId>> {
        let room = self.bytes.reserve(deploy, bytes, most);
        room.ok_or_else(|| Error::Busy(format!("more than {most} bytes are under way for the deploy")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let uploads = Uploads::default();
        let begin = |organization: &str, deploy: &str| uploads.begin(&organization.into(), &deploy.into());
        let mut places = Vec::new();
        for deploy in ["one", "two"] {
            for _ in 0..MOST_OF_DEPLOY {
                places.push(begin("first", deploy).expect("a place"));
            }
            assert!(begin("first", deploy).is_err());
        }
        assert!(begin("first", "three").is_err(), "the Organization has its share");
        for number in 0..MOST_OF_ORGANIZATION {
            places.push(begin("second", &number.to_string()).expect("a place"));
        }
        assert!(begin("third", "four").is_err(), "all are taken");
        places.clear();
        assert!(begin("third", "four").is_ok());
    }
}
