//! Reading an agent token's id: whatever is taken has exactly the documented form.
//!
//! Nobody guesses a checksum, so the text is also tried with the right one put behind it.

#![no_main]

use airlock_core::agent_token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check(text);
    check(&format!("{text}{}", checksum(text)));
});

fn check(text: &str) {
    let Some(id) = agent_token::parse(text) else { return };
    let rest = text.strip_prefix("agt_").expect("the prefix");
    let (found, rest) = rest.split_once('_').expect("the id, and what follows");
    assert_eq!(found, id.as_str());
    assert_eq!((found.len(), rest.len()), (25, 86 + 6));
    let (body, sum) = text.split_at(text.len() - 6);
    assert_eq!(sum, checksum(body));
}

/// CRC-32 as six base-62 digits, written anew.
fn checksum(text: &str) -> String {
    let mut rest = u64::from(crc32fast::hash(text.as_bytes()));
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(match (rest % 62) as u8 {
            digit @ 0..10 => b'0' + digit,
            digit @ 10..36 => b'A' + digit - 10,
            digit => b'a' + digit - 36,
        });
        rest /= 62;
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}
