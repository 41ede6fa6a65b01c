//! What all looks of the process keep together of what catalogs say of foreign keys and their tables.
//!
//! A look keeps some kilobytes for each foreign key until its pass ends, and a server decides how many there are. What
//! one look may keep, all may keep together; a small part each has without asking, so that a catalog of usual size is
//! never concerned by what others have. So it is with what is remembered of a look until the next one.

use std::sync::{
    Arc, LazyLock, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// Why nothing more is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// It is more than is kept of one look.
    #[error("it is more than is kept of one look")]
    One,
    /// Others have the room.
    #[error("others have the room")]
    Others,
}

/// Bytes that all looks keep together beyond their small parts, and that one keeps at most.
const TOGETHER: usize = 28 << 20;

/// Bytes that are remembered of all looks together beyond their small parts.
const REMEMBERED: usize = 16 << 20;

/// Bytes that are remembered of one at most.
const REMEMBERED_OF_ONE: usize = 10 << 20;

/// Bytes that a look keeps whatever the others do, and that are remembered of one whatever is of others.
const SMALL: usize = 256 << 10;

static ROOM: LazyLock<Arc<Room>> = LazyLock::new(|| Arc::new(Room::of(TOGETHER, TOGETHER)));

static MEMORY: LazyLock<Arc<Room>> = LazyLock::new(|| Arc::new(Room::of(REMEMBERED_OF_ONE, REMEMBERED)));

/// The room that the looks of a process share.
#[derive(Debug)]
struct Room {
    /// Bytes that one has at most.
    one: usize,
    /// Bytes that all have together beyond their small parts.
    all: usize,
    taken: Mutex<usize>,
}

impl Room {
    fn of(one: usize, all: usize) -> Self {
        Self { one, all, taken: Mutex::default() }
    }
}

/// What one look has of it.
#[derive(Debug)]
struct Look {
    room: Arc<Room>,
    bytes: Mutex<usize>,
}

/// A part of what a look keeps; the room is free again with it.
#[derive(Debug)]
pub struct Keeping {
    look: Arc<Look>,
    bytes: AtomicUsize,
}

impl Default for Keeping {
    /// Nothing yet, of a look of its own.
    fn default() -> Self {
        Self::of(&ROOM)
    }
}

impl Keeping {
    fn of(room: &Arc<Room>) -> Self {
        let look = Arc::new(Look { room: Arc::clone(room), bytes: Mutex::default() });
        Self { look, bytes: AtomicUsize::new(0) }
    }

    /// Nothing yet, of what is remembered of a look until the next one.
    pub fn remembered() -> Self {
        Self::of(&MEMORY)
    }

    /// Nothing yet, of the same look.
    pub(in crate::engine) fn another(&self) -> Self {
        Self { look: Arc::clone(&self.look), bytes: AtomicUsize::new(0) }
    }

    /// Keeps so many bytes more.
    ///
    /// # Errors
    /// It is more than is kept of one look, or others have the room.
    pub fn more(&self, bytes: usize) -> Result<(), NoRoom> {
        self.look.takes(bytes)?;
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.look.gives(*self.bytes.get_mut());
    }
}

fn locked(count: &Mutex<usize>) -> MutexGuard<'_, usize> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it is of the room that all share, of so many bytes of one look.
fn shared(bytes: usize) -> usize {
    bytes.saturating_sub(SMALL)
}

impl Look {
    fn takes(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut own = locked(&self.bytes);
        let then = own.saturating_add(bytes);
        if then > self.room.one {
            return Err(NoRoom::One);
        }
        let mut all = locked(&self.room.taken);
        let taken = all.saturating_add(shared(then) - shared(*own));
        if taken > self.room.all {
            return Err(NoRoom::Others);
        }
        (*own, *all) = (then, taken);
        Ok(())
    }

    fn gives(&self, bytes: usize) {
        let mut own = locked(&self.bytes);
        let then = own.saturating_sub(bytes);
        let mut all = locked(&self.room.taken);
        *all = all.saturating_sub(shared(*own) - shared(then));
        *own = then;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_keeps_as_much_as_all_may_and_more_is_told_as_its_own() {
        let room = Arc::new(Room::of(TOGETHER, TOGETHER));
        let look = Keeping::of(&room);
        let tables = look.another();
        look.more(TOGETHER / 2).unwrap();
        tables.more(TOGETHER - TOGETHER / 2).unwrap();
        assert_eq!(tables.more(1), Err(NoRoom::One));
        assert_eq!(*locked(&room.taken), TOGETHER - SMALL, "nothing is taken by what is refused");
        drop(tables);
        look.more(TOGETHER - TOGETHER / 2).unwrap();
        drop(look);
        assert_eq!(*locked(&room.taken), 0);
    }

    #[test]
    fn a_look_that_finds_no_room_beside_others_is_told_so_and_finds_it_when_they_are_gone() {
        let room = Arc::new(Room::of(TOGETHER, TOGETHER));
        let (first, second) = (Keeping::of(&room), Keeping::of(&room));
        first.more(TOGETHER).unwrap();
        second.more(SMALL).unwrap();
        assert_eq!(second.more(SMALL + 1), Err(NoRoom::Others));
        drop(first);
        second.more(TOGETHER - SMALL).unwrap();
        assert_eq!(*locked(&room.taken), TOGETHER - SMALL);
    }

    #[test]
    fn whoever_keeps_little_asks_nobody() {
        let room = Arc::new(Room::of(TOGETHER, TOGETHER));
        let full = Keeping::of(&room);
        full.more(TOGETHER).unwrap();
        let many: Vec<Keeping> = (0..100).map(|_| Keeping::of(&room)).collect();
        many.iter().for_each(|one| one.more(SMALL).unwrap());
        drop(full);
        assert_eq!(*locked(&room.taken), 0);
    }
}
