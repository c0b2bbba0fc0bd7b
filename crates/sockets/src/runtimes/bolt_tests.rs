use proptest::prelude::*;

use super::*;

const PAGE: usize = 4_096;

/// A page: its header and its elements.
fn page(number: u64, flags: u16, elements: &[([u32; 2], Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut page = Vec::new();
    page.extend(number.to_ne_bytes());
    page.extend(flags.to_ne_bytes());
    page.extend(u16::try_from(elements.len()).unwrap().to_ne_bytes());
    page.extend(0u32.to_ne_bytes());
    let mut position = elements.len() * HEADER;
    let mut data = Vec::new();
    for (place, (numbers, key, value)) in elements.iter().enumerate() {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap();
        let from_element = u32::try_from(position - place * HEADER).unwrap();
        let words = if flags == BRANCH {
            [from_element, length(key), numbers[0], numbers[1]]
        } else {
            [numbers[0], from_element, length(key), length(value)]
        };
        page.extend(words.iter().flat_map(|it| it.to_ne_bytes()));
        position += key.len() + value.len();
        data.extend([key.as_slice(), value].concat());
    }
    page.extend(data);
    page
}

fn values(number: u64, all: &[(&str, &[u8])]) -> Vec<u8> {
    let elements = all
        .iter()
        .map(|(key, value)| ([0; 2], key.as_bytes().to_vec(), value.to_vec()));
    page(number, LEAF, &elements.collect::<Vec<_>>())
}

fn buckets(number: u64, all: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let element =
        |(name, value): &(&str, Vec<u8>)| ([BUCKET, 0], name.as_bytes().to_vec(), value.clone());
    page(number, LEAF, &all.iter().map(element).collect::<Vec<_>>())
}

fn rooted(root: u64) -> Vec<u8> {
    [root.to_ne_bytes(), [0; 8]].concat()
}

fn inline(page: Vec<u8>) -> Vec<u8> {
    [rooted(0), page].concat()
}

fn meta(number: u64, root: u64, transaction: u64) -> Vec<u8> {
    let mut meta = Vec::new();
    for word in [MAGIC, VERSION, u32::try_from(PAGE).unwrap(), 0] {
        meta.extend(word.to_ne_bytes());
    }
    for number in [root, 0, 0, 99, transaction] {
        meta.extend(number.to_ne_bytes());
    }
    meta.extend(fnv(&meta).to_ne_bytes());
    [page(number, 4, &[]), meta].concat()
}

/// A file of these pages; an empty one belongs to the page before it.
fn file(pages: &[Vec<u8>]) -> (tempfile::TempDir, std::path::PathBuf) {
    let mut bytes = Vec::new();
    for page in pages {
        bytes.extend(page);
        bytes.resize(bytes.len().div_ceil(PAGE) * PAGE, 0);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bolt_state.db");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// A database as podman's: two containers, one in a small bucket, one in a tree of its own whose
/// value is longer than a page.
pub(in crate::runtimes) fn podmans(
    ids: &[String; 2],
    configs: &[&str; 2],
) -> (tempfile::TempDir, std::path::PathBuf) {
    let mut long = values(5, &[("config", configs[1].as_bytes()), ("state", b"{}")]);
    let overflow = u32::try_from(long.len() / PAGE).unwrap();
    long[12..16].copy_from_slice(&overflow.to_ne_bytes());
    let branch = page(
        4,
        BRANCH,
        &[
            ([5, 0], b"config".to_vec(), vec![]),
            ([99, 0], b"zzz".to_vec(), vec![]),
        ],
    );
    let small = inline(values(0, &[("config", configs[0].as_bytes())]));
    file(&[
        meta(0, 98, 6),
        meta(1, 2, 7),
        buckets(
            2,
            &[("allPods", inline(values(0, &[]))), ("ctr", rooted(3))],
        ),
        buckets(3, &[(&ids[0], small), (&ids[1], rooted(4))]),
        branch,
        long,
    ])
}

fn read(path: &std::path::Path, buckets: &[&str], key: &str) -> Option<String> {
    let value = get(&File::open(path).unwrap(), buckets, key)?;
    Some(String::from_utf8(value).unwrap())
}

fn scene() -> (tempfile::TempDir, std::path::PathBuf, [String; 2], String) {
    let ids = ["a".repeat(64), "b".repeat(64)];
    let long = "x".repeat(10_000);
    let (folder, path) = podmans(&ids, &["short", &long]);
    (folder, path, ids, long)
}

#[test]
fn a_value_is_found_in_small_buckets_and_in_trees() {
    let (_folder, path, ids, long) = scene();
    assert_eq!(
        read(&path, &["ctr", &ids[0]], "config").as_deref(),
        Some("short")
    );
    assert_eq!(read(&path, &["ctr", &ids[1]], "config"), Some(long));
    assert_eq!(
        read(&path, &["ctr", &ids[1]], "state").as_deref(),
        Some("{}")
    );
    for (buckets, key) in [
        (&["ctr", &ids[0]][..], "state"),
        (&["ctr", "c"], "config"),
        (&["pod", &ids[0]], "config"),
        // A bucket is no value, and a value no bucket.
        (&["ctr"], &ids[0]),
        (&["ctr", &ids[0], "config"], "x"),
    ] {
        assert_eq!(read(&path, buckets, key), None, "{buckets:?} {key}");
    }
}

#[test]
fn the_header_of_the_later_transaction_counts_if_it_is_whole() {
    let (_folder, path, ids, _) = scene();
    let whole = std::fs::read(&path).unwrap();
    for at in HEADER..HEADER + 64 {
        let mut bytes = whole.clone();
        bytes[PAGE + at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            read(&path, &["ctr", &ids[0]], "config"),
            None,
            "the other leads nowhere"
        );
    }
}

#[test]
fn pages_that_lead_in_circles_or_out_of_the_file_end() {
    let circle = page(2, BRANCH, &[([2, 0], b"a".to_vec(), vec![])]);
    let (_folder, path) = file(&[meta(0, 2, 1), meta(1, 2, 2), circle]);
    assert_eq!(read(&path, &["ctr"], "config"), None);
    let mut huge = values(2, &[]);
    huge[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
    let (_folder, path) = file(&[meta(0, u64::MAX, 1), meta(1, 2, 2), huge]);
    assert_eq!(read(&path, &[], "config"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        std::fs::write(&path, junk).unwrap();
        prop_assert_eq!(get(&File::open(&path).unwrap(), &["ctr"], "config"), None);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(damage in proptest::collection::vec((0usize..6 * PAGE, any::<u8>()), 1..60), near in proptest::collection::vec((2usize..6, 0usize..200, any::<u8>()), 1..30)) {
        let (_folder, path, ids, _) = scene();
        let mut bytes = std::fs::read(&path).unwrap();
        // What leads to the rest stays, else there is nothing to read.
        for (at, byte) in damage.into_iter().filter(|(at, _)| *at >= 2 * PAGE) {
            bytes[at] = byte;
        }
        for (page, at, byte) in near {
            bytes[page * PAGE + at] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        for id in &ids {
            let _whatever = get(&File::open(&path).unwrap(), &["ctr", id], "config");
        }
    }
}
