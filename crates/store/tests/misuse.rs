//! Misuses that must not compile: of what this crate gives, and of what the contract and the core do.
//!
//! They are here because whoever tries them needs no more than these three crates to be built again.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
