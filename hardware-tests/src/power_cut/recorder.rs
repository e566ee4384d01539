//! Records every write, truncation, sync and deletion that SQLite asks of the operating system.
//!
//! SQLite's own unix VFS does the work; this one is a copy of it with four functions replaced: what they are asked is
//! written down, then passed on. Shared memory (`-shm`) is not recorded: it does not survive a power cut and SQLite
//! rebuilds it.
#![allow(unsafe_code)] // A VFS is a table of C functions; there is no safe way to hand one to SQLite.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::ffi;

/// What SQLite asked, in order, with the name of the file (without its folder).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Octets at an offset.
    Write(String, u64, Vec<u8>),
    /// The file is cut or grown to this length.
    Truncate(String, u64),
    /// Everything written to the file so far is durable.
    Sync(String),
    /// The file is gone.
    Delete(String),
    /// Not SQLite's: the caller has acknowledged everything up to this number.
    Acknowledged(u64),
}

struct Shim {
    vfs: *const ffi::sqlite3_vfs,
    original: ffi::sqlite3_vfs,
}

// SAFETY: the tables behind these pointers are written once, before they are shared.
unsafe impl Send for Shim {}
// SAFETY: as above.
unsafe impl Sync for Shim {}

static SHIM: OnceLock<Shim> = OnceLock::new();
/// SQLite's tables of file functions (one for databases, one for files without locks) and our copies of them,
/// as addresses; both live for ever.
static TABLES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
static LOG: Mutex<Vec<Op>> = Mutex::new(Vec::new());
/// Open files by address: name, and the address of SQLite's own table of functions.
static FILES: Mutex<BTreeMap<usize, (String, usize)>> = Mutex::new(BTreeMap::new());

fn note(op: Op) {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).push(op);
}

fn lookup(file: *mut ffi::sqlite3_file) -> Option<(String, *const ffi::sqlite3_io_methods)> {
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let (name, table) = files.get(&(file as usize))?;
    Some((name.clone(), *table as *const ffi::sqlite3_io_methods))
}

/// The recorder, installed as the default VFS of this process: every database that is opened afterwards is
/// recorded, so one process records one store.
#[derive(Debug)]
pub struct Recorder(());

impl Recorder {
    /// Installs the recorder and empties its log.
    ///
    /// # Errors
    /// SQLite's result code, when it takes no VFS.
    pub fn install() -> Result<Self, c_int> {
        let shim = SHIM.get_or_init(|| {
            // SAFETY: SQLite's default VFS exists for the life of the process; the copy and its name are leaked.
            unsafe {
                ffi::sqlite3_initialize();
                let original = *ffi::sqlite3_vfs_find(std::ptr::null());
                let mut copy = original;
                copy.zName = c"recorder".as_ptr();
                copy.pNext = std::ptr::null_mut();
                copy.xOpen = Some(open);
                copy.xDelete = Some(delete);
                Shim { vfs: Box::leak(Box::new(copy)), original }
            }
        });
        // SAFETY: the table lives for ever.
        let code = unsafe { ffi::sqlite3_vfs_register(shim.vfs.cast_mut(), 1) };
        if code != ffi::SQLITE_OK {
            return Err(code);
        }
        LOG.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(Self(()))
    }

    /// Notes that everything up to `number` has been acknowledged to a device.
    pub fn acknowledged(&self, number: u64) {
        note(Op::Acknowledged(number));
    }

    /// What was recorded so far; the log starts anew. The plain VFS is the default again.
    #[must_use]
    pub fn finish(self) -> Vec<Op> {
        // SAFETY: as in `install`; registering the original again only makes it the default.
        unsafe {
            if let Some(shim) = SHIM.get() {
                ffi::sqlite3_vfs_unregister(shim.vfs.cast_mut());
            }
        }
        std::mem::take(&mut LOG.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: called by SQLite with its own valid arguments; the original function is there by contract.
    unsafe {
        let Some(real) = SHIM.get().and_then(|shim| shim.original.xOpen) else {
            return ffi::SQLITE_ERROR;
        };
        let code = real(vfs, name, file, flags, out);
        if code != ffi::SQLITE_OK || name.is_null() || (*file).pMethods.is_null() {
            return code;
        }
        let original = (*file).pMethods as usize;
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.iter().find(|(of, _)| *of == original).map(|(_, copy)| *copy);
        let copy = known.unwrap_or_else(|| {
            let mut methods = *(*file).pMethods;
            methods.xWrite = Some(write);
            methods.xTruncate = Some(truncate);
            methods.xSync = Some(sync);
            methods.xClose = Some(close);
            let copy = std::ptr::from_ref(Box::leak(Box::new(methods))) as usize;
            tables.push((original, copy));
            copy
        });
        let path = CStr::from_ptr(name).to_string_lossy();
        let short = path.rsplit('/').next().unwrap_or_default().to_owned();
        FILES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file as usize, (short, original));
        (*file).pMethods = copy as *const ffi::sqlite3_io_methods;
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let Some(real) = SHIM.get().and_then(|shim| shim.original.xDelete) else {
            return ffi::SQLITE_ERROR;
        };
        let path = CStr::from_ptr(name).to_string_lossy();
        note(Op::Delete(path.rsplit('/').next().unwrap_or_default().to_owned()));
        real(vfs, name, sync)
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let Some((name, table)) = lookup(file) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite hands over `amount` readable octets; the table is SQLite's own.
    unsafe {
        if let Ok(length) = usize::try_from(amount) {
            let octets = std::slice::from_raw_parts(data.cast::<u8>(), length).to_vec();
            note(Op::Write(name, offset.unsigned_abs(), octets));
        }
        (*table).xWrite.map_or(ffi::SQLITE_IOERR_WRITE, |real| real(file, data, amount, offset))
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Some((name, table)) = lookup(file) else { return ffi::SQLITE_IOERR_TRUNCATE };
    note(Op::Truncate(name, size.unsigned_abs()));
    // SAFETY: the table is SQLite's own.
    unsafe { (*table).xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |real| real(file, size)) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some((name, table)) = lookup(file) else { return ffi::SQLITE_IOERR_FSYNC };
    // SAFETY: the table is SQLite's own. Noted after the fact: a crash during the sync is one before it.
    let code = unsafe { (*table).xSync.map_or(ffi::SQLITE_IOERR_FSYNC, |real| real(file, flags)) };
    note(Op::Sync(name));
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let Some((_, table)) = lookup(file) else { return ffi::SQLITE_IOERR_CLOSE };
    FILES.lock().unwrap_or_else(PoisonError::into_inner).remove(&(file as usize));
    // SAFETY: the table is SQLite's own.
    unsafe { (*table).xClose.map_or(ffi::SQLITE_IOERR_CLOSE, |real| real(file)) }
}
