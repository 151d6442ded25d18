//! The position of an export, behind the last row that is written.

use domain::{activity::Activity, job::Checkpoint, query::Position};

/// The position of an export: an activity, and the rows or bytes that follow it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WritePosition {
    /// The position behind the last activity whose rows are all written.
    pub(crate) activity: Option<Position>,
    /// The number of rows of the next activity that are written.
    pub(crate) lines: usize,
    /// The number of bytes of the next segment that are written.
    pub(crate) segment_bytes: u64,
}

impl WritePosition {
    /// Creates a position to which everything in front of `activity` is written.
    pub(crate) fn behind(activity: Position) -> Self {
        Self { activity: Some(activity), ..Self::default() }
    }

    /// Reads the position that a checkpoint stores.
    pub(crate) fn load(checkpoint: &Checkpoint) -> Self {
        Self {
            activity: checkpoint.position.as_deref().and_then(Position::parse),
            lines: checkpoint.lines,
            segment_bytes: checkpoint.segment_bytes,
        }
    }

    /// Stores the position in a checkpoint.
    pub(crate) fn store(&self, checkpoint: &mut Checkpoint) {
        checkpoint.position = self.activity.as_ref().map(Position::to_text);
        checkpoint.lines = self.lines;
        checkpoint.segment_bytes = self.segment_bytes;
    }

    /// Moves the position behind a row of an activity that has `rows` rows.
    pub(crate) fn advance(&mut self, activity: &Activity<&str>, row: usize, rows: usize) {
        if row + 1 < rows {
            self.lines = row + 1;
            return;
        }
        match &mut self.activity {
            Some(position) => position.step_behind(activity),
            None => self.activity = Some(Position::behind(activity)),
        }
        self.lines = 0;
    }
}
