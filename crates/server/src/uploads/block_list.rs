//! The list of blocks that make an archive: the XML body of Put Block List.

use quick_xml::{Reader, events::Event};

const ROOT: &[u8] = b"BlockList";

/// Where a block is to be looked for. There is one place for all of them here.
const PLACES: [&[u8]; 3] = [b"Latest", b"Uncommitted", b"Committed"];

/// The ids of the blocks, in their order, no more than so many.
///
/// # Errors
///
/// What is wrong with the list, in words that go on from "body".
pub(super) fn read(xml: &[u8], most: usize) -> Result<Vec<String>, String> {
    read_up_to(xml, most)?.ok_or_else(|| format!("lists more than {most} blocks"))
}

/// The ids; `None` when there are more than so many, after which nothing is read.
fn read_up_to(xml: &[u8], most: usize) -> Result<Option<Vec<String>>, &'static str> {
    let mut reader = Reader::from_reader(xml);
    let config = reader.config_mut();
    config.trim_text(true);
    config.expand_empty_elements = true;
    let mut ids = Vec::new();
    let mut depth = 0;
    let mut is_over = false;
    loop {
        match reader.read_event().map_err(|_| "is not XML")? {
            Event::Decl(_) | Event::Comment(_) if depth == 0 || depth == 1 => {}
            Event::Start(element) => {
                let name = element.name();
                match depth {
                    0 if name.as_ref() == ROOT && !is_over => {}
                    1 if PLACES.contains(&name.as_ref()) && ids.len() >= most => return Ok(None),
                    1 if PLACES.contains(&name.as_ref()) => ids.push(String::new()),
                    _ => return Err("is no BlockList with Latest, Uncommitted and Committed in it"),
                }
                depth += 1;
            }
            Event::End(_) => {
                depth -= 1;
                is_over = depth == 0;
            }
            Event::Text(text) if depth == 2 => {
                let text = text.decode().map_err(|_| "is not UTF-8")?;
                ids.last_mut().ok_or("is no BlockList")?.push_str(&text);
            }
            Event::Eof if is_over => return Ok(Some(ids)),
            Event::Eof => return Err("ends before its end"),
            _ => return Err("has something in it that no BlockList has"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_clients() {
        // As azblob writes it.
        let go = b"<BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>";
        assert_eq!(read(go, 2).expect("a list"), ["YQ==", "Yg=="]);
        let python = b"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>\n <Uncommitted>YQ==</Uncommitted>\n \
                       <Committed>Yg==</Committed>\n <!-- -->\n</BlockList>\n";
        assert_eq!(read(python, 2).expect("a list"), ["YQ==", "Yg=="]);
        assert_eq!(read(go, 1).expect_err("too many"), "lists more than 1 blocks");
        assert_eq!(read(b"<BlockList/>", 2).expect("a list"), [""; 0]);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "YQ==",
            "<BlockList>",
            "<BlockList><Latest>YQ==</BlockList>",
            "<BlockList><Newest>YQ==</Newest></BlockList>",
            "<BlockList><Latest><Latest>YQ==</Latest></Latest></BlockList>",
            "<BlockList>YQ==</BlockList>",
            "<BlockList/><BlockList/>",
            "<BlockList><Latest>&lt;</Latest></BlockList>",
            "<!DOCTYPE BlockList [<!ENTITY a 'YQ=='>]><BlockList><Latest>&a;</Latest></BlockList>",
            "<BlockList><Latest><![CDATA[YQ==]]></Latest></BlockList>",
            "<Latest>YQ==</Latest>",
            "{}",
        ] {
            assert!(read(bad.as_bytes(), 2).is_err(), "{bad}");
        }
        assert!(read(&[b'<', 0xff, 0xfe], 2).is_err());
    }
}
