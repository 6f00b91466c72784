//! Sums and products, of whatever Python's `+` and `sum` take.

use std::fs::File;
use std::io::Write as _;

use postrider_core::task::{Registry, TaskResult};
use serde_json::{Value, json};

use crate::declare::{Services, raise, task};

task!(Identity = "t.integration.tasks.identity", { x: Value } |task, _, _| { Ok(task.x) });

task!(Add = "t.integration.tasks.add", { x: Value, y: Value, #[serde(default)] z: Value } |task, _, _| {
    let sum = plus(task.x, task.y)?;
    if truth(&task.z) { plus(sum, task.z) } else { Ok(sum) }
});

task!(Mul = "t.integration.tasks.mul", { x: i64, y: i64 } |task, _, _| { Ok((task.x * task.y).into()) });

task!(WriteToFile = "t.integration.tasks.write_to_file_and_return_int", { file_name: String, i: i64 } |task, _, _| {
    let mut file = File::options().append(true).create(true).open(&task.file_name)?;
    writeln!(file, "{}", task.i)?;
    Ok(task.i.into())
});

task!(AddNotTyped = "t.integration.tasks.add_not_typed", { x: Value, y: Value } |task, _, _| {
    plus(task.x, task.y)
});

task!(AddIgnoreResult = "t.integration.tasks.add_ignore_result", { x: Value, y: Value } |task, _, _| {
    plus(task.x, task.y)
});

task!(AddWithResult = "t.integration.tasks.add_with_result", { x: Value, y: Value } |task, _, _| {
    plus(task.x, task.y)
});

task!(Tsum = "t.integration.tasks.tsum", { nums: Vec<Value> } |task, _, _| { sum(task.nums) });

task!(Xsum = "t.integration.tasks.xsum", { nums: Vec<Value> } |task, _, _| {
    let flat = task.nums.into_iter().map(|num| match num {
        Value::Array(inner) => sum(inner),
        single => Ok(single),
    });
    sum(flat.collect::<TaskResult<_>>()?)
});

task!(SumAndRecord = "t.integration.tasks.sum_and_record", {
    values: Vec<Value>,
    redis_key: String,
} |task, services, context| {
    let result = sum(task.values)?;
    services.redis.push(&task.redis_key, &context.id).await?;
    Ok(result)
});

/// What the Python side has as a Pydantic model.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct AddParameter {
    x: i64,
    y: i64,
}

task!(AddPydantic = "t.integration.tasks.add_pydantic", { data: AddParameter } |task, _, _| {
    Ok(json!({"result": task.data.x + task.data.y}))
});

task!(AddPydanticText = "t.integration.tasks.add_pydantic_string_annotations", {
    data: AddParameter,
} |task, _, _| {
    Ok(json!({"result": task.data.x + task.data.y}))
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<Identity>()
        .register::<Add>()
        .register::<Mul>()
        .register::<WriteToFile>()
        .register::<AddNotTyped>()
        .register::<AddIgnoreResult>()
        .register::<AddWithResult>()
        .register::<Tsum>()
        .register::<Xsum>()
        .register::<SumAndRecord>()
        .register::<AddPydantic>()
        .register::<AddPydanticText>()
}

/// Python's `+`.
pub(super) fn plus(x: Value, y: Value) -> TaskResult<Value> {
    match (x, y) {
        (Value::Number(x), Value::Number(y)) => {
            let whole = x.as_i64().zip(y.as_i64()).and_then(|(x, y)| x.checked_add(y));
            let float = || Some(Value::from(x.as_f64()? + y.as_f64()?));
            whole.map(Value::from).or_else(float).ok_or_else(|| raise("OverflowError", "too large"))
        }
        (Value::String(x), Value::String(y)) => Ok(format!("{x}{y}").into()),
        (Value::Array(x), Value::Array(y)) => Ok([x, y].concat().into()),
        (x, y) => {
            let text = format!("unsupported operand type(s) for +: '{}' and '{}'", kind(&x), kind(&y));
            Err(raise("TypeError", text))
        }
    }
}

/// Python's `sum`.
pub(super) fn sum(values: Vec<Value>) -> TaskResult<Value> {
    values.into_iter().try_fold(Value::from(0), plus)
}

/// Whether Python takes the value for true.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
