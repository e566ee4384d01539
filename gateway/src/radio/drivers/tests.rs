//! The list of drivers. What drivers say is tested by the transcripts in `hardware-tests`.

use std::collections::BTreeSet;

use super::OWN;

#[test]
fn no_two_own_drivers_claim_one_profile() {
    let ids: BTreeSet<&str> = OWN.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), OWN.len());
}
