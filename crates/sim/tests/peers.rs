//! The programs that ask databases beside Portolan are Python, because that is what the databases
//! are asked from; what of them needs no server is tried with every test.

use std::path::Path;
use std::process::Command;

#[test]
fn the_questions_to_databases_count_as_portolan_does_and_a_difference_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    // -B: no compiled files beside the sources.
    let done = Command::new("python3")
        .args(["-B", "-m", "unittest", "--verbose", "test_peers"])
        .current_dir(folder)
        .output()
        .expect("python3 is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    // A runner that finds no test says so and succeeds.
    assert!(said.contains("\nRan 11 tests in "), "{said}");
}
