//! Builds the programs that run in the kernel, by Debian's clang.
//!
//! The object is kept beside its source, so that building Portolan takes no clang; it is the same for
//! every little-endian machine. A test builds it anew and compares every byte.

use crate::packages;
use crate::run::{self, Step};

const SOURCE: &str = "crates/sockets/bpf/portolan.bpf.c";
const OBJECT: &str = "crates/sockets/bpf/portolan.bpf.o";

/// Builds the object that the project keeps.
pub(crate) fn build() -> anyhow::Result<()> {
    packages::install(packages::BPF)?;
    build_to(OBJECT)
}

/// Nothing of the machine gets into the object: paths are relative, and of the debugging
/// information only the types stay, which the loader needs.
fn build_to(object: &str) -> anyhow::Result<()> {
    let compile = [
        "-target",
        "bpfel",
        "-mcpu=v3",
        "-O2",
        "-g",
        "-fdebug-compilation-dir=.",
        "-Wall",
        "-Werror",
        "-Wno-unused-function", // a declaration of a helper that nobody calls is a function, too
        "-c",
        SOURCE,
        "-o",
        object,
    ];
    run::all(&[
        Step::new("compile", "clang", &compile),
        Step::new("strip", "llvm-strip", &["--strip-debug", object]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_that_is_kept_is_what_its_source_gives() {
        let folder = tempfile::tempdir().unwrap();
        let built = folder.path().join("portolan.bpf.o");
        build_to(built.to_str().unwrap()).expect("clang and llvm must be installed");
        let same =
            std::fs::read(run::root().join(OBJECT)).unwrap() == std::fs::read(built).unwrap();
        assert!(
            same,
            "{OBJECT} is not what Debian's clang makes of {SOURCE}: cargo xtask bpf"
        );
    }
}
