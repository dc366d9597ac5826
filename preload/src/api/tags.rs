//! Tags of the calling thread. They are written with the next event that brings a block, not here.

use core::ffi::c_char;

use super::name;
use crate::session::SESSION;
use crate::sys::tls;

/// Implements `tm_tag`: the tag before it.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_tag(text: *const c_char) -> u32 {
    // SAFETY: the caller's.
    let name = unsafe { name(text) };
    let is_tag = !name.is_empty() && SESSION.is_process();
    let tag = if is_tag { SESSION.names.tag(&SESSION, name).0 } else { 0 };
    put(tag)
}

/// Implements `tm_tag_end`: the tag before it.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn tm_restore_tag(tag: u32) -> u32 {
    put(tag)
}

fn put(tag: u32) -> u32 {
    // SAFETY: the calling thread's own block.
    core::mem::replace(unsafe { &mut tls::current().as_mut().tag }, tag)
}
