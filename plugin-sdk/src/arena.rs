//! The allocator of a component: a bump pointer.
//!
//! A decision has an instance to itself, which is thrown away afterwards, so nothing needs to be given back one by one.
//! Where an instance is used again, the arena begins anew as soon as nothing is alive in it.
#![expect(unsafe_code, reason = "a global allocator can't be had without; it is in the guest, inside the sandbox")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    ptr,
};

/// Bytes kept in the component's own data, so that a decision as a rule never asks for memory.
const FIRST: usize = 128 << 10;
const PAGE: usize = 64 << 10;

#[repr(align(16))]
struct First(Cell<[u8; FIRST]>);

/// The allocator.
struct Arena {
    first: First,
    /// Where the next allocation may begin; 0 before the first.
    next: Cell<usize>,
    end: Cell<usize>,
    alive: Cell<usize>,
}

// SAFETY: a component of the contract has one thread: `wasm32-unknown-unknown` without the `atomics` feature.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena =
    Arena { first: First(Cell::new([0; FIRST])), next: Cell::new(0), end: Cell::new(0), alive: Cell::new(0) };

impl Arena {
    fn begin(&self) {
        let base = self.first.0.as_ptr() as usize;
        self.next.set(base);
        self.end.set(base + FIRST);
    }

    fn place(&self, size: usize, align: usize) -> Option<usize> {
        if self.next.get() == 0 {
            self.begin();
        }
        let at = self.next.get().checked_next_multiple_of(align)?;
        let end = at.checked_add(size)?;
        if end <= self.end.get() {
            self.next.set(end);
            return Some(at);
        }
        // New pages lie behind everything that is there; if they follow on from the last ones, so does the arena.
        let pages = size.checked_add(align)?.div_ceil(PAGE).max(4);
        let before = core::arch::wasm32::memory_grow(0, pages);
        if before == usize::MAX {
            return None;
        }
        let (from, to) = (before * PAGE, (before + pages) * PAGE);
        if from != self.end.get() {
            self.next.set(from);
        }
        self.end.set(to);
        let at = self.next.get().checked_next_multiple_of(align)?;
        let end = at.checked_add(size)?;
        (end <= to).then(|| {
            self.next.set(end);
            at
        })
    }
}

// SAFETY: every allocation is a piece of the first block or of pages that `memory.grow` gave, aligned, large enough and
// handed out to nobody else: `next` only moves forward past it, and goes back only over the last piece, when that is
// given back or resized, or to the beginning, when no piece is alive.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.place(layout.size(), layout.align()) {
            Some(at) => {
                self.alive.set(self.alive.get() + 1);
                at as *mut u8
            }
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let alive = self.alive.get() - 1;
        self.alive.set(alive);
        if piece as usize + layout.size() == self.next.get() {
            self.next.set(piece as usize);
        }
        // Only within the first block: pages grown since are few, and used again only by the next growth.
        if alive == 0 {
            self.begin();
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let at = piece as usize;
        if at + layout.size() == self.next.get() {
            match at.checked_add(size) {
                Some(end) if end <= self.end.get() => {
                    self.next.set(end);
                    return piece;
                }
                _ => {}
            }
        } else if size <= layout.size() {
            return piece;
        }
        let Some(new) = self.place(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the old piece holds `layout.size()` bytes, the new one `size`, and they don't overlap: the new one
        // lies past everything handed out.
        unsafe { ptr::copy_nonoverlapping(piece, new as *mut u8, layout.size().min(size)) };
        new as *mut u8
    }
}
