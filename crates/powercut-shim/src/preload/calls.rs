//! The replaced functions. Each records, then makes the same system call the C library would.
//!
//! Both names of each function are there: programs built for 64-bit offsets call the second.

use std::ffi::CStr;
use std::os::fd::RawFd;

use libc::{c_char, c_int, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};

use super::tracker;

macro_rules! replace {
    ($($name:ident, $wide:ident ($($argument:ident: $type:ty),*) -> $result:ty = $body:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result { $body }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $wide($($argument: $type),*) -> $result { $body }
    )*};
}

/// Makes a system call; its result has the width the C function promises.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the arguments are the caller's own, for the same call of the C library.
        unsafe { libc::syscall(libc::$number $(, $argument)*) as _ }
    };
}

/// How many bytes a list of buffers has.
fn total(buffers: *const iovec, count: c_int) -> size_t {
    let count = usize::try_from(count).unwrap_or(0);
    if buffers.is_null() {
        return 0;
    }
    // SAFETY: the caller passes `count` buffers, as writev demands.
    unsafe { std::slice::from_raw_parts(buffers, count) }.iter().map(|buffer| buffer.iov_len).sum()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: RawFd, bytes: *const c_void, count: size_t) -> ssize_t {
    let _recorded = tracker::write_here(fd, count);
    call!(SYS_write, fd, bytes, count)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: RawFd, buffers: *const iovec, count: c_int) -> ssize_t {
    let _recorded = tracker::write_here(fd, total(buffers, count));
    call!(SYS_writev, fd, buffers, count)
}

replace! {
    pwrite, pwrite64(fd: RawFd, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t = {
        let _recorded = tracker::write_at(fd, count, offset);
        call!(SYS_pwrite64, fd, bytes, count, offset)
    };
    pwritev, pwritev64(fd: RawFd, buffers: *const iovec, count: c_int, offset: off_t) -> ssize_t = {
        let _recorded = tracker::write_at(fd, total(buffers, count), offset);
        call!(SYS_pwritev, fd, buffers, count, offset, 0)
    };
    pwritev2, pwritev64v2(fd: RawFd, buffers: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t = {
        let bytes = total(buffers, count);
        let _recorded =
            if offset == -1 { tracker::write_here(fd, bytes) } else { tracker::write_at(fd, bytes, offset) };
        call!(SYS_pwritev2, fd, buffers, count, offset, 0, flags)
    };
    ftruncate, ftruncate64(fd: RawFd, length: off_t) -> c_int = {
        let _recorded = tracker::resize(fd, length);
        call!(SYS_ftruncate, fd, length)
    };
    sendfile, sendfile64(out: RawFd, from: RawFd, offset: *mut off_t, count: size_t) -> ssize_t = {
        let _recorded = tracker::write_here(out, count);
        call!(SYS_sendfile, out, from, offset, count)
    };
    fallocate, fallocate64(fd: RawFd, mode: c_int, offset: off_t, length: off_t) -> c_int = {
        let _recorded = tracker::write_at(fd, usize::try_from(length).unwrap_or(0), offset);
        call!(SYS_fallocate, fd, mode, offset, length)
    };
    // The C library answers with the error's number instead of setting errno.
    posix_fallocate, posix_fallocate64(fd: RawFd, offset: off_t, length: off_t) -> c_int = {
        let _recorded = tracker::write_at(fd, usize::try_from(length).unwrap_or(0), offset);
        let result: c_int = call!(SYS_fallocate, fd, 0, offset, length);
        // SAFETY: errno of this thread.
        if result == 0 { 0 } else { unsafe { *libc::__errno_location() } }
    };
    // The mode is passed where it is: the kernel reads it only where a file may be made.
    open, open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = {
        let _recorded = emptied(libc::AT_FDCWD, path, flags);
        call!(SYS_openat, libc::AT_FDCWD, path, flags, mode as c_uint)
    };
    openat, openat64(folder: RawFd, path: *const c_char, flags: c_int, mode: mode_t) -> c_int = {
        let _recorded = emptied(folder, path, flags);
        call!(SYS_openat, folder, path, flags, mode as c_uint)
    };
}

/// Records that opening empties the file. Only paths that need no folder descriptor are followed,
/// which is what the standard library and SQLite use.
fn emptied(folder: RawFd, path: *const c_char, flags: c_int) -> Option<tracker::Recorded> {
    if flags & libc::O_TRUNC == 0 || path.is_null() {
        return None;
    }
    // SAFETY: the caller passes a path that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    let followed = folder == libc::AT_FDCWD || path.to_bytes().starts_with(b"/");
    if followed { tracker::open_empties(path) } else { None }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: RawFd,
    from_offset: *mut off_t,
    to: RawFd,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    let _recorded = if to_offset.is_null() {
        tracker::write_here(to, count)
    } else {
        // SAFETY: not null, so it is the caller's offset.
        tracker::write_at(to, count, unsafe { *to_offset })
    };
    call!(SYS_copy_file_range, from, from_offset, to, to_offset, count, flags)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: RawFd) -> c_int {
    let syncing = tracker::sync_begins(fd);
    ended(call!(SYS_fsync, fd), syncing)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: RawFd) -> c_int {
    let syncing = tracker::sync_begins(fd);
    ended(call!(SYS_fdatasync, fd), syncing)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn syncfs(fd: RawFd) -> c_int {
    let syncing = tracker::sync_all_begins();
    ended(call!(SYS_syncfs, fd), syncing)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sync() {
    let syncing = tracker::sync_all_begins();
    let result: c_int = call!(SYS_sync);
    ended(result, syncing);
}

fn ended(result: c_int, syncing: Option<tracker::Syncing>) -> c_int {
    if result == 0 {
        tracker::sync_ended(syncing);
    }
    result
}
