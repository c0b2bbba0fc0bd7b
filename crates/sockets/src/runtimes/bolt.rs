//! One value out of a bolt database, such as podman's before version 5.
//!
//! A file of pages: two of them are headers, of which the one with the later transaction counts; the
//! others make trees of buckets, keys and values. Only the pages on the way to a key are read.
//! No lock is taken, for a reader that holds one makes podman wait. A writer changes no page that the
//! last header leads to before it has written the next header, so what was read counts if the header
//! is the same afterwards.
//! Limits: [`PAGE_BYTES_MAX`] of a page with what belongs to it, [`DEPTH_MAX`] pages on the way.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Longest page with its overflow, in bytes: a value stands in one.
const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Pages from the root of a bucket to a value, at most.
const DEPTH_MAX: usize = 16;
/// The sizes of pages of all machines.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes before the elements of a page, and those of an element.
const HEADER: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// The flag of an element that is a bucket.
const BUCKET: u32 = 1;

/// The value of a key in nested buckets. `None`: there is none, the file is no such database, or it
/// was written meanwhile.
pub(super) fn get(file: &File, buckets: &[&str], key: &str) -> Option<Vec<u8>> {
    let meta = Meta::newest(file)?;
    let mut bucket = Bucket::Page(meta.root);
    for name in buckets {
        let (flags, value) = meta.find(file, bucket, name.as_bytes())?;
        bucket = Bucket::of(value).filter(|_| flags & BUCKET != 0)?;
    }
    let (flags, value) = meta.find(file, bucket, key.as_bytes())?;
    let is_value = flags & BUCKET == 0;
    (is_value && Meta::newest(file)? == meta).then_some(value)
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meta {
    page_bytes: u64,
    root: u64,
    transaction: u64,
}

impl Meta {
    fn newest(file: &File) -> Option<Self> {
        let first = Self::read(file, 0);
        let page_bytes = first.map_or(4_096, |it| it.page_bytes);
        let second = Self::read(file, page_bytes);
        first
            .into_iter()
            .chain(second)
            .max_by_key(|it| it.transaction)
    }

    fn read(file: &File, at: u64) -> Option<Self> {
        let mut bytes = [0; 80];
        file.read_exact_at(&mut bytes, at).ok()?;
        let meta = bytes.get(HEADER..)?;
        let (page_size, sum) = (u32_at(meta, 8)?, u64_at(meta, 56)?);
        let is_sound = (u32_at(meta, 0)?, u32_at(meta, 4)?) == (MAGIC, VERSION)
            && PAGE_SIZES.contains(&page_size)
            && sum == fnv(meta.get(..56)?);
        is_sound.then_some(Self {
            page_bytes: page_size.into(),
            root: u64_at(meta, 16)?,
            transaction: u64_at(meta, 48)?,
        })
    }

    /// The flags and the value of a key in one bucket.
    fn find(&self, file: &File, bucket: Bucket, key: &[u8]) -> Option<(u32, Vec<u8>)> {
        let mut page = match bucket {
            Bucket::Page(number) => self.page(file, number)?,
            Bucket::Inline(page) => page,
        };
        for _ in 0..DEPTH_MAX {
            match u16_at(&page, 8)? {
                BRANCH => page = self.page(file, child(&page, key)?)?,
                LEAF => return leaf(&page, key),
                _ => return None,
            }
        }
        None
    }

    fn page(&self, file: &File, number: u64) -> Option<Vec<u8>> {
        let at = number.checked_mul(self.page_bytes)?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, at).ok()?;
        let pages = u64::from(u32_at(&header, 12)?) + 1;
        let length = pages * self.page_bytes;
        if u64_at(&header, 0)? != number || length > PAGE_BYTES_MAX {
            return None;
        }
        let mut page = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut page, at).ok()?;
        Some(page)
    }
}

/// Where the tree of a bucket begins.
enum Bucket {
    Page(u64),
    /// A small one is a page within its own value.
    Inline(Vec<u8>),
}

impl Bucket {
    fn of(value: Vec<u8>) -> Option<Self> {
        match u64_at(&value, 0)? {
            0 => Some(Self::Inline(value.get(16..)?.to_owned())),
            root => Some(Self::Page(root)),
        }
    }
}

/// The page below a branch that has the key, if any has: the last that does not begin after it.
fn child(page: &[u8], key: &[u8]) -> Option<u64> {
    let mut found = None;
    for element in elements(page) {
        let (position, length) = (u32_at(element, 0)?, u32_at(element, 4)?);
        if found.is_some() && part(element, position, length)? > key {
            break;
        }
        found = Some(u64_at(element, 8)?);
    }
    found
}

fn leaf(page: &[u8], key: &[u8]) -> Option<(u32, Vec<u8>)> {
    elements(page).find_map(|element| {
        let position = u32_at(element, 4)?;
        let (key_length, length) = (u32_at(element, 8)?, u32_at(element, 12)?);
        let is_it = part(element, position, key_length)? == key;
        let value = part(element, position.checked_add(key_length)?, length)?;
        is_it.then(|| (u32_at(element, 0).unwrap_or(0), value.to_owned()))
    })
}

/// The elements of a page, each with what comes behind it: positions count from the element.
fn elements(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = usize::from(u16_at(page, 10).unwrap_or(0));
    (0..count).map_while(|place| page.get(HEADER + place * HEADER..))
}

fn part(bytes: &[u8], position: u32, length: u32) -> Option<&[u8]> {
    let begin = usize::try_from(position).ok()?;
    bytes.get(begin..begin.checked_add(usize::try_from(length).ok()?)?)
}

/// Numbers are as the machine has them.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
#[path = "bolt_tests.rs"]
pub(super) mod tests;
