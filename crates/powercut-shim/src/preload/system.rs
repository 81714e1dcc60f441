//! The few system calls the tracker itself needs, past the replaced functions.

use std::ffi::CStr;
use std::os::fd::RawFd;

use libc::{c_int, c_long};

use crate::journal::FileId;

/// A file as the kernel describes it.
pub(super) struct Described {
    pub(super) id: FileId,
    pub(super) length: u64,
    pub(super) regular: bool,
}

/// Describes an open file.
pub(super) fn describe(fd: RawFd) -> Option<Described> {
    // SAFETY: `statx` is plain data for which zeroes are a value; the kernel fills it in, and the
    // empty path with AT_EMPTY_PATH names the descriptor itself.
    let (result, found) = unsafe {
        let mut found: libc::statx = std::mem::zeroed();
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        let empty = c"".as_ptr();
        let result =
            libc::syscall(libc::SYS_statx, fd, empty, libc::AT_EMPTY_PATH, mask, &raw mut found);
        (result, found)
    };
    if result != 0 {
        return None;
    }
    let born = found.stx_btime;
    let born_ns = if found.stx_mask & libc::STATX_BTIME == 0 {
        0
    } else {
        u64::try_from(born.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::from(born.tv_nsec)
    };
    let device = libc::makedev(found.stx_dev_major, found.stx_dev_minor);
    Some(Described {
        id: FileId { device, inode: found.stx_ino, born_ns },
        length: found.stx_size,
        regular: u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFREG,
    })
}

/// The path of an open file, written into `buffer`.
pub(super) fn path_of(fd: RawFd, buffer: &mut [u8]) -> Option<&[u8]> {
    let link = format!("/proc/self/fd/{fd}\0");
    // SAFETY: the path ends with NUL, and the kernel writes at most the buffer's length.
    let length = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            link.as_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    usize::try_from(length).ok().and_then(|length| buffer.get(..length))
}

/// Reads up to `count` bytes at `offset`; what can't be read is missing at the end.
///
/// Reads through the descriptor itself where it may be read: closing a second one would drop the
/// program's POSIX locks on the file. A descriptor for writing only is opened again.
pub(super) fn read_at(fd: RawFd, offset: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut filled = read_into(fd, offset, &mut bytes);
    if filled.is_none() {
        let link = format!("/proc/self/fd/{fd}\0");
        let again = CStr::from_bytes_with_nul(link.as_bytes()).ok().and_then(open_to_read);
        if let Some(again) = again {
            filled = read_into(again, offset, &mut bytes);
            close(again);
        }
    }
    bytes.truncate(filled.unwrap_or(0));
    bytes
}

fn read_into(fd: RawFd, offset: u64, bytes: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the kernel writes at most `rest.len()` bytes into `rest`.
        let read = unsafe {
            let at = offset + filled as u64;
            libc::syscall(libc::SYS_pread64, fd, rest.as_mut_ptr(), rest.len(), at)
        };
        match usize::try_from(read) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(_) => return None,
        }
    }
    Some(filled)
}

/// Opens a file for reading.
pub(super) fn open_to_read(path: &CStr) -> Option<RawFd> {
    open(path, libc::O_RDONLY | libc::O_CLOEXEC)
}

/// Opens a file for appending; makes it where it is missing.
pub(super) fn open_to_append(path: &CStr) -> Option<RawFd> {
    open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC)
}

fn open(path: &CStr, flags: c_int) -> Option<RawFd> {
    // SAFETY: the path ends with NUL.
    let fd =
        unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) };
    RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)
}

/// Closes a descriptor of the tracker's own.
pub(super) fn close(fd: RawFd) {
    // SAFETY: only descriptors opened above come here, each once.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// Writes all of it. A journal that can't be written makes the whole test meaningless: abort.
pub(super) fn append(fd: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
        let wrote: c_long =
            unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(wrote) {
            Ok(wrote) => bytes = &bytes[wrote..],
            Err(_) => std::process::abort(),
        }
    }
}

/// The monotonic clock, the same for all processes.
pub(super) fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in `now`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let (seconds, rest) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

/// The status flags of a descriptor.
pub(super) fn flags(fd: RawFd) -> c_int {
    // SAFETY: no memory is involved.
    unsafe { libc::fcntl(fd, libc::F_GETFL) }
}

/// Where a descriptor stands in its file.
pub(super) fn position(fd: RawFd) -> u64 {
    // SAFETY: no memory is involved.
    let position = unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(0)
}
