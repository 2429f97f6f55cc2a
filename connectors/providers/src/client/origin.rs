//! The calls to one host and port, on one thread.

use super::exchange::Scratch;
use super::job::Job;
use super::mailbox::Mailbox;
use super::prepared::Authority;
use super::slot;
use super::thread::Shared;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Its queue and its slots.
pub(super) struct Origin {
    pub(super) authority: Authority,
    pub(super) shared: Arc<Shared>,
    pub(super) scratch: Rc<Scratch>,
    /// Calls that found no slot, oldest first.
    waiting: RefCell<VecDeque<Job>>,
    /// Slots that wait for a call; the last one used is used next, so that the others grow old and close.
    idle: RefCell<Vec<Rc<Mailbox>>>,
    slots: Cell<usize>,
}

impl Origin {
    pub(super) fn new(authority: Authority, shared: Arc<Shared>, scratch: Rc<Scratch>) -> Rc<Self> {
        Rc::new(Self {
            authority,
            shared,
            scratch,
            waiting: RefCell::default(),
            idle: RefCell::default(),
            slots: Cell::new(0),
        })
    }

    /// Starts the call on a free slot, on a new one, or as soon as one is free.
    pub(super) fn dispatch(self: &Rc<Self>, job: Job) {
        let idle = self.idle.borrow_mut().pop();
        if let Some(mailbox) = idle {
            mailbox.put(job);
        } else if self.slots.get() < self.shared.options.connections_max.max(1) {
            self.slots.set(self.slots.get() + 1);
            slot::spawn(Rc::clone(self), job);
        } else {
            self.waiting.borrow_mut().push_back(job);
        }
    }

    /// The next call for a slot that is free now.
    pub(super) fn next(&self) -> Option<Job> {
        self.waiting.borrow_mut().pop_front()
    }

    /// The slot has nothing to do.
    pub(super) fn rest(&self, mailbox: &Rc<Mailbox>) {
        self.idle.borrow_mut().push(Rc::clone(mailbox));
    }

    /// The slot ends; `false`: it was given a call meanwhile.
    pub(super) fn leave(&self, mailbox: &Rc<Mailbox>) -> bool {
        let mut idle = self.idle.borrow_mut();
        let place = idle.iter().position(|other| Rc::ptr_eq(other, mailbox));
        if let Some(place) = place {
            idle.remove(place);
        }
        place.is_some()
    }

    /// A slot is gone.
    pub(super) fn ended(&self) {
        self.slots.set(self.slots.get().saturating_sub(1));
    }

    /// Removes calls that waited too long.
    pub(super) fn expire(&self, now: Duration, late: &mut Vec<Job>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.iter().all(|job| job.call.call().is_some_and(|call| now < call.latest_start())) {
            return;
        }
        for job in std::mem::take(&mut *waiting) {
            let in_time = job.call.call().is_some_and(|call| now < call.latest_start());
            if in_time { waiting.push_back(job) } else { late.push(job) }
        }
    }

    /// Whether calls wait for a slot.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Whether a call waits or a slot is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.is_waiting() || self.slots.get() > self.idle.borrow().len()
    }
}
