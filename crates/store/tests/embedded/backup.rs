//! A backup is of one moment, whole or refused, and a restored store equals the original.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use portolan_store::backup::{self, BackupError, Summary};
use portolan_store::embedded::{Report, restore, verify};
use portolan_store::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, Entry, HistoryOrder,
    HistoryPart, HistorySpan, Loaded, RecordKey, SeenAt, Store, StoreError,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::files::{BOTH, Records, store};
use crate::model::{Model, key, load, names, open, start, token};

/// A backup of a store, in a folder of its own.
fn backed_up(records: Records) -> (tempfile::TempDir, PathBuf, Model) {
    let (folder, model) = store(records);
    let (store, _) = start(folder.path()).unwrap();
    store.save_seen(&[SEEN]).unwrap();
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("backup");
    let summary = write(&store, &file);
    assert_eq!(summary.at, model.loaded());
    assert_eq!(summary.bytes, fs::metadata(&file).unwrap().len());
    (beside, file, model)
}

const SEEN: SeenAt = SeenAt { host: 7, second: 9 };

fn write(store: &dyn Store, file: &Path) -> Summary {
    backup::write(store, &mut fs::File::create(file).unwrap()).unwrap()
}

#[test]
fn a_restored_store_holds_what_the_original_held_at_the_moment_of_the_backup() {
    for records in BOTH {
        let (beside, file, mut model) = backed_up(records);
        let folder = beside.path().join("made/new");
        let report = restore(&file, &folder).unwrap();
        let expected = Report {
            commit: 30,
            at: UnixMicros(30),
            hosts: 30,
            records: 1,
            history: model.history.len() as u64,
            closed_cleanly: true,
        };
        assert_eq!(report, expected);
        assert_eq!(verify(&folder).unwrap(), expected);
        assert_eq!(
            names(&folder),
            ["commit.mark", "fjall", "lock", "store.json"]
        );
        let (store, found) = start(&folder).unwrap();
        assert_eq!(found, model);
        assert_eq!(store.load_seen().unwrap(), [SEEN]);
        // It goes on like any other.
        model.put(&store, "after", b"the restore");
        store.close().unwrap();
        drop(store);
        assert_eq!(start(&folder).unwrap().1, model);
    }
}

#[test]
fn an_empty_store_is_backed_up_and_restored_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = start(folder.path()).unwrap();
    let file = folder.path().join("backup");
    write(&store, &file);
    let restored = folder.path().join("restored");
    assert_eq!(restore(&file, &restored).unwrap().hosts, 0);
    assert_eq!(start(&restored).unwrap().1, model);
}

/// The store that a copy is made of goes on committing while entries are handed out.
struct Meanwhile<'a> {
    store: &'a dyn Store,
    model: Model,
    begun: Option<Loaded>,
    found: Model,
}

impl CopyOut for Meanwhile<'_> {
    fn begin(&mut self, _store_id: u128, at: &Loaded) -> Result<(), StoreError> {
        self.begun = Some(*at);
        Ok(())
    }

    fn entry(&mut self, entry: Entry<'_>) -> Result<(), StoreError> {
        let n = self.model.commit;
        let changes = [
            (key("h000"), Some(format!("changed {n}").into_bytes())),
            (key("h029"), None),
            (key(&format!("new {n}")), Some(vec![1])),
        ];
        let records = [(token("t"), None), (token(&n.to_string()), Some(vec![2]))];
        self.store
            .commit(&self.model.batch_of(&changes, &records))?;
        match entry {
            Entry::Host(key, value) => self.found.hosts.insert(key, value.to_vec()),
            Entry::Record(key, value) => self.found.records.insert(key, value.to_vec()),
        };
        Ok(())
    }

    fn history(&mut self, part: HistoryPart<'_>) -> Result<(), StoreError> {
        self.store.commit(&self.model.batch(&[]))?;
        if let HistoryPart::Record { commit, value, .. } = part {
            self.found.history.insert(commit, value.to_vec());
        }
        Ok(())
    }
}

#[test]
fn a_copy_is_of_one_moment_whatever_is_committed_while_it_is_handed_out() {
    let (folder, before) = store(Records::InTables);
    let (store, model) = start(folder.path()).unwrap();
    let mut copy = Meanwhile {
        store: &store,
        model,
        begun: None,
        found: Model::default(),
    };
    store.copy_out(&mut copy).unwrap();
    let Meanwhile {
        model,
        begun,
        mut found,
        ..
    } = copy;
    assert_eq!(begun, Some(before.loaded()));
    found.commit = before.commit;
    assert_eq!(found, before);
    assert_eq!(
        model.commit,
        30 + 31 + 31,
        "a commit for each entry and part"
    );
    drop(store);
    assert_eq!(start(folder.path()).unwrap().1, model);
}

struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_receiver_that_takes_no_more_ends_the_backup_and_not_the_store() {
    let (folder, mut model) = store(Records::InJournal);
    let (store, _) = start(folder.path()).unwrap();
    let error = backup::write(&store, &mut Full).unwrap_err();
    assert!(matches!(error, StoreError::Copy { .. }), "{error}");
    assert!(!error.is_fatal());
    model.put(&store, "after", b"that");
    drop(store);
    assert_eq!(start(folder.path()).unwrap().1, model);
}

#[test]
fn nothing_is_copied_of_a_store_that_is_not_loaded_or_is_closed() {
    let (folder, _) = store(Records::InTables);
    let store = open(folder.path()).unwrap();
    let copy = || {
        let error = backup::write(&store, &mut Vec::new()).unwrap_err();
        error.to_string()
    };
    assert!(copy().contains("not loaded yet"), "{}", copy());
    load(&store).unwrap();
    store.close().unwrap();
    assert!(copy().contains("closed"), "{}", copy());
}

/// Refuses to restore `file`: says so in words that contain `expected`, and leaves nothing behind.
fn assert_refused(file: &Path, beside: &Path, expected: &str) {
    for error in [
        backup::check(file).unwrap_err(),
        restore(file, &beside.join("folder")).unwrap_err(),
    ] {
        let told = error.to_string();
        assert!(told.contains(expected), "{told:?} lacks {expected:?}");
    }
    assert!(!beside.join("folder").exists());
    let empty = beside.join("empty");
    fs::create_dir(&empty).unwrap();
    restore(file, &empty).unwrap_err();
    assert!(names(&empty).is_empty(), "{:?}", names(&empty));
    fs::remove_dir(&empty).unwrap();
}

#[test]
fn a_backup_that_was_cut_anywhere_is_refused_and_leaves_nothing_behind() {
    let (beside, file, _) = backed_up(Records::InTables);
    let whole = fs::read(&file).unwrap();
    for cut in (0..whole.len()).step_by(whole.len() / 60) {
        fs::write(&file, &whole[..cut]).unwrap();
        let expected = match cut {
            0..76 => "is not a backup",
            _ => "without its trailer, so it was cut short",
        };
        assert_refused(&file, beside.path(), expected);
    }
    fs::write(&file, [whole.as_slice(), b"more"].concat()).unwrap();
    assert_refused(&file, beside.path(), "or something was added");
}

#[test]
fn a_backup_with_any_byte_altered_is_refused() {
    let (beside, file, _) = backed_up(Records::InTables);
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(&file, altered).unwrap();
        let error = backup::check(&file).unwrap_err();
        let named = match at {
            0..16 => matches!(error, BackupError::NotABackup { .. }),
            16..19 => matches!(
                error,
                BackupError::Format { .. } | BackupError::Damaged { .. }
            ),
            _ => matches!(error, BackupError::Damaged { .. }),
        };
        assert!(named, "byte {at}: {error}");
        if at % 97 == 0 {
            assert_refused(&file, beside.path(), "backup");
        }
    }
}

/// A store that hands out one host twice: its backup is sound in itself, and no store can be made
/// of it.
struct Twice;

fn not_asked<T>() -> Result<T, StoreError> {
    Err(StoreError::Read {
        what: "not asked".into(),
    })
}

impl Store for Twice {
    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        let at = Loaded {
            commit: 1,
            hosts: 2,
            ..Loaded::default()
        };
        to.begin(1, &at)?;
        to.entry(Entry::Host(key("h"), b"1"))?;
        to.entry(Entry::Host(key("h"), b"2"))
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        Ok(Vec::new())
    }

    fn load(&self, _: EachEntry<'_>) -> Result<Loaded, StoreError> {
        not_asked()
    }

    fn commit(&self, _: &Batch) -> Result<(), StoreError> {
        not_asked()
    }

    fn host(&self, _: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        not_asked()
    }

    fn record(&self, _: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        not_asked()
    }

    fn save_seen(&self, _: &[SeenAt]) -> Result<(), StoreError> {
        not_asked()
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        not_asked()
    }

    fn history(
        &self,
        _: RangeInclusive<u64>,
        _: HistoryOrder,
        _: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        not_asked()
    }

    fn history_record(&self, _: u64) -> Result<Option<Vec<u8>>, StoreError> {
        not_asked()
    }

    fn save_checkpoint(&self, _: &Checkpoint) -> Result<(), StoreError> {
        not_asked()
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        not_asked()
    }

    fn checkpoint_parts(&self, _: u32, _: &[u8], _: EachPart<'_>) -> Result<(), StoreError> {
        not_asked()
    }

    fn drop_history_before(&self, _: u32) -> Result<(), StoreError> {
        not_asked()
    }

    fn close(&self) -> Result<(), StoreError> {
        not_asked()
    }
}

#[test]
fn a_restore_that_does_not_read_back_as_promised_leaves_nothing_behind() {
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("backup");
    write(&Twice, &file);
    backup::check(&file).unwrap();
    for folder in ["missing", "empty"] {
        let folder = beside.path().join(folder);
        if folder.ends_with("empty") {
            fs::create_dir(&folder).unwrap();
        }
        let error = restore(&file, &folder).unwrap_err().to_string();
        assert!(error.contains("left 2 hosts, and 1 are there"), "{error}");
        assert!(!folder.exists() || names(&folder).is_empty());
    }
    assert_eq!(names(beside.path()), ["backup", "empty"]);
}

#[test]
fn a_backup_of_a_newer_format_says_so() {
    let (beside, file, _) = backed_up(Records::InTables);
    let mut newer = fs::read(&file).unwrap();
    newer[17] = 3;
    fs::write(&file, newer).unwrap();
    assert_refused(&file, beside.path(), "has format 3 and codec 1");
}

#[test]
fn nothing_is_restored_over_anything() {
    let (beside, file, model) = backed_up(Records::InTables);
    let folder = beside.path().join("folder");
    restore(&file, &folder).unwrap();
    let again = restore(&file, &folder).unwrap_err();
    assert!(matches!(again, BackupError::NotEmpty { .. }), "{again}");
    assert_eq!(start(&folder).unwrap().1, model);

    let foreign = beside.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("letter"), "mine").unwrap();
    let refused = restore(&file, &foreign).unwrap_err().to_string();
    assert!(refused.contains("holds letter"), "{refused}");
    assert_eq!(names(&foreign), ["letter"]);
}

#[test]
fn a_restore_that_was_killed_is_no_store_until_the_next_restore() {
    let (beside, file, model) = backed_up(Records::InTables);
    let folder = beside.path().join("folder");
    restore(&file, &folder).unwrap();
    // As if it had been killed at the last moment.
    fs::write(folder.join("creating"), "of a backup\n").unwrap();
    fs::remove_file(folder.join("store.json")).unwrap();
    for error in [
        start(&folder).map(|_| ()).unwrap_err(),
        verify(&folder).map(|_| ()).unwrap_err(),
        portolan_store::embedded::repair(&folder)
            .map(|_| ())
            .unwrap_err(),
    ] {
        let interrupted = matches!(error, StoreError::RestoreInterrupted { .. });
        assert!(interrupted, "{error}");
        assert!(
            error.to_string().contains("portolan restore FILE"),
            "{error}"
        );
    }
    restore(&file, &folder).unwrap();
    assert_eq!(start(&folder).unwrap().1, model);
}

/// Set for the child process alone: the folder that it restores into.
const RESTORE: &str = "PORTOLAN_TEST_RESTORE";

/// The child: restores the backup beside the folder.
#[test]
fn child_restores_until_killed() {
    let Some(folder) = std::env::var_os(RESTORE) else {
        return;
    };
    let folder = Path::new(&folder);
    restore(&folder.with_file_name("backup"), folder).unwrap();
}

#[test]
fn a_kill_at_any_moment_of_a_restore_leaves_no_store_or_a_whole_one() {
    let (source, mut model) = store(Records::InTables);
    let (store, _) = start(source.path()).unwrap();
    for batch in 0..20 {
        let change = |host| (key(&format!("{batch}-{host}")), Some(vec![batch; 2000]));
        let changes: Vec<_> = (0..200).map(change).collect();
        store.commit(&model.batch(&changes)).unwrap();
    }
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("backup");
    write(&store, &file);
    let folder = beside.path().join("folder");
    let mut interrupted = 0;
    // Killed as soon as this is there, at ever later stages.
    for stage in [
        "lock",
        "creating",
        "fjall",
        "fjall/keyspaces/1/current",
        "fjall/keyspaces/1/tables/1",
        "commit.mark",
        "journal-copies",
        "store.json",
    ] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backup::child_restores_until_killed"])
            .env(RESTORE, &folder)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !folder.join(stage).exists() && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Closed before the folder is removed.
        match start(&folder).map(|(_, found)| found) {
            Ok(found) if found == model => fs::remove_dir_all(&folder).unwrap(),
            // Killed before it began, it left an empty folder, which becomes an empty store.
            Ok(found) if stage == "lock" && found == Model::default() => {
                fs::remove_dir_all(&folder).unwrap();
            }
            Ok(found) => panic!("{stage}: {} hosts", found.hosts.len()),
            Err(StoreError::RestoreInterrupted { .. }) => interrupted += 1,
            Err(error) => panic!("{stage}: {error}"),
        }
    }
    assert!(
        interrupted > 0,
        "every restore was over before it was killed"
    );
    if folder.exists() {
        restore(&file, &folder).unwrap();
        assert_eq!(start(&folder).unwrap().1, model);
    }
}
