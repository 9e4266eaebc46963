//! A fragment's number → its block, decompressed once for all readers that want it at about the
//! same time.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::Result;

/// Blocks that were used last.
pub(super) struct Fragments {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    slots: HashMap<u32, Slot>,
    clock: u64,
    /// A block that is no longer used, to be filled again.
    spare: Option<Vec<u8>>,
}

enum Slot {
    /// Some reader is at it.
    Loading,
    Ready {
        block: Arc<Vec<u8>>,
        used: u64,
    },
}

impl Fragments {
    /// Keeps `capacity` blocks.
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity }
    }

    /// The block of fragment `index`; `load` makes it where it is not kept.
    ///
    /// # Errors
    /// Those of `load`.
    pub(super) fn get(
        &self,
        index: u32,
        load: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<Arc<Vec<u8>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            state.clock += 1;
            let now = state.clock;
            match state.slots.get_mut(&index) {
                Some(Slot::Ready { block, used }) => {
                    *used = now;
                    return Ok(Arc::clone(block));
                }
                Some(Slot::Loading) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        state.slots.insert(index, Slot::Loading);
        let mut block = state.make_room(self.capacity);
        drop(state);

        let result = load(&mut block);

        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.notify_all();
        if let Err(error) = result {
            // A thread that waits for it tries again, and gets the error as well.
            state.slots.remove(&index);
            return Err(error);
        }
        let block = Arc::new(block);
        let used = state.clock;
        state.slots.insert(index, Slot::Ready { block: Arc::clone(&block), used });
        Ok(block)
    }
}

impl State {
    /// Gives up the block that was used longest ago, if there are too many; returns one to fill.
    fn make_room(&mut self, capacity: usize) -> Vec<u8> {
        if self.slots.len() > capacity {
            let age = |slot: &Slot| match slot {
                Slot::Loading => None,
                Slot::Ready { used, .. } => Some(*used),
            };
            let oldest = self.slots.iter().filter_map(|(index, slot)| Some((age(slot)?, *index)));
            if let Some((_, index)) = oldest.min()
                && let Some(Slot::Ready { block, .. }) = self.slots.remove(&index)
            {
                // A reader that still has it keeps it.
                self.spare = Arc::try_unwrap(block).ok();
            }
        }
        self.spare.take().unwrap_or_default()
    }
}
