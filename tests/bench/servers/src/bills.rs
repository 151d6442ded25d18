//! Counts what AWS bills: calls, read units and write units of each table, and the size of the stored activities.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

/// What one write unit writes, in bytes.
const WRITE_UNIT_BYTES: u64 = 1_024;

/// The calls and units of one operation on one table.
#[derive(Debug, Default, Serialize)]
struct Bill {
    calls: u64,
    read_units: f64,
    write_units: f64,
}

/// An item and its copies in indexes, as DynamoDB stores them.
#[derive(Clone, Copy)]
struct Stored {
    bytes: u64,
    copies: u64,
}

/// Bills by table and operation, and the size of every item that was put.
#[derive(Default)]
pub(crate) struct Bills {
    by_operation: BTreeMap<String, Bill>,
    /// By partition key and sort key, so that an item that is put twice counts once.
    stored: HashMap<(String, String), Stored>,
}

impl Bills {
    /// Adds a call with the units that the engine or this server computed.
    pub(crate) fn add(&mut self, table: &str, operation: &str, units: f64) {
        let bill = self.by_operation.entry(format!("{table} {operation}")).or_default();
        bill.calls += 1;
        if is_read(operation) {
            bill.read_units += units;
        } else {
            bill.write_units += units;
        }
    }

    /// Remembers an item of an activity or of its details; other items of the table are overhead.
    pub(crate) fn store(&mut self, hash: &str, range: &str, bytes: u64, copies: u64) {
        if !hash.ends_with("#months") {
            self.stored.insert((hash.to_owned(), range.to_owned()), Stored { bytes, copies });
        }
    }

    pub(crate) fn by_operation(&self) -> Value {
        json!(self.by_operation)
    }

    /// Returns the units of one write of each stored item, and the bytes of all of them.
    pub(crate) fn stored(&self) -> Value {
        let sum = |of: fn(&Stored) -> u64| self.stored.values().map(of).sum::<u64>();
        json!({
            "items": self.stored.len(),
            "bytes": sum(|item| item.bytes),
            "index_items": sum(|item| item.copies),
            "index_bytes": sum(|item| item.bytes * item.copies),
            "write_units": sum(|item| write_units(item.bytes) * (1 + item.copies)),
        })
    }
}

/// Returns the units of one write of an item.
pub(crate) fn write_units(bytes: u64) -> u64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1)
}

/// Returns the units in an answer of DynamoDB, and removes them, because the caller did not ask for them.
pub(crate) fn take_units(answer: &mut Value) -> f64 {
    let consumed = answer.as_object_mut().and_then(|answer| answer.remove("ConsumedCapacity"));
    let units = |one: &Value| one["CapacityUnits"].as_f64().unwrap_or_default();
    match consumed {
        Some(Value::Array(tables)) => tables.iter().map(units).sum(),
        Some(one) => units(&one),
        None => 0.0,
    }
}

fn is_read(operation: &str) -> bool {
    matches!(operation, "Query" | "GetItem" | "BatchGetItem" | "TransactGetItems" | "Scan")
}
