//! Requests as tensors and tensors as answers: what is honest comes through bit by bit, what lies is refused, and nothing
//! panics.

use bytes::Bytes;
use kale_serve::protocol::v1::{self, Instances};
use kale_serve::protocol::v2::{self, Request};
use kale_serve::protocol::{Datatype, Tensor};
use proptest::prelude::*;
use serde_json::{Value, json};

fn tensor(body: &str) -> Tensor {
    match v1::decode(&Bytes::copy_from_slice(body.as_bytes()), false) {
        Ok(Instances::Tensor(tensor)) => tensor,
        other => panic!("{body} is {other:?}"),
    }
}

fn is_left_to_python(body: &str) -> bool {
    matches!(v1::decode(&Bytes::copy_from_slice(body.as_bytes()), false), Ok(Instances::Json { .. }))
}

fn refused_v1(body: &str) -> String {
    v1::decode(&Bytes::copy_from_slice(body.as_bytes()), false).expect_err(body).0
}

#[test]
fn numbers_of_v1_are_what_numpy_makes_of_them() {
    let whole = tensor(r#"{"instances": [[1, 2], [3, 4]]}"#);
    assert_eq!((whole.datatype, whole.shape), (Datatype::Int64, vec![2, 2]));
    let mixed = tensor(r#"{"instances": [[1, 2], [3, 4.5]]}"#);
    assert_eq!(mixed.datatype, Datatype::Fp64);
    assert_eq!(&mixed.data[..8], 1.0_f64.to_le_bytes());
    assert_eq!(tensor(r#"{"instances": [true, false]}"#).datatype, Datatype::Bool);
    let empty = tensor(r#"{"instances": []}"#);
    assert_eq!((empty.datatype, empty.shape), (Datatype::Fp64, vec![0]));
    assert_eq!(tensor(r#"{"instances": [[], []]}"#).shape, [2, 0]);
    assert_eq!(tensor(r#"{"inputs": [1], "signature_name": "x"}"#).shape, [1]);
    assert_eq!(tensor(r#"{"instances": "no", "instances": [1]}"#).shape, [1]);
}

#[test]
fn what_only_python_can_tell_is_left_to_it() {
    for instances in [
        r#"["text"]"#,
        r#"[{"a": 1}]"#,
        "[[1], [2, 3]]",
        "[[1], 2]",
        "[1, [2]]",
        "[[[]], [1]]",
        "[null]",
        "[true, 1]",
        "[1.5, true]",
        "[18446744073709551615]",
        "[123456789012345678901234567890]",
        "[-0]",
        &format!("{}{}", "[".repeat(5000), "]".repeat(5000)),
    ] {
        assert!(is_left_to_python(&format!(r#"{{"instances": {instances}}}"#)), "{instances}");
    }
}

#[test]
fn requests_of_v1_that_are_none_are_refused() {
    assert!(refused_v1(r#"{"instance": [1]}"#).contains("`\"instances\"`"));
    assert!(refused_v1(r#"{"instances": {"a": 1}}"#).contains("list of rows"));
    for body in ["", "{", "[1]", "null", "\"x\"", "{\"instances\": [NaN]}", "{\"instances\": [1]} x", "\u{0}"] {
        refused_v1(body);
    }
}

fn v2(head: &Value, tail: &[u8], length: Option<&str>) -> Result<Request, String> {
    let head = serde_json::to_vec(head).unwrap();
    let own = head.len().to_string();
    let body = Bytes::from([&head, tail].concat());
    let length = match length {
        None if tail.is_empty() => None,
        None => Some(own.as_str()),
        given => given,
    };
    v2::decode(&body, length).map_err(|refused| refused.0)
}

fn input(datatype: &str, shape: &Value, size: &Value) -> Value {
    json!({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}]})
}

#[test]
fn tensors_of_v2_come_through() {
    let nested = v2(
        &json!({"id": "7", "inputs": [
        {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [[1, 2.5], [null, true]]},
        {"name": "b", "datatype": "bytes", "shape": [2.0], "data": ["é", ""]}]}),
        b"",
        None,
    );
    let request = nested.unwrap();
    assert_eq!(request.id.as_deref(), Some("7"));
    let floats: Vec<f32> =
        request.inputs[0].data.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(floats[..2], [1.0, 2.5]);
    assert!(floats[2].is_nan() && floats[3] == 1.0);
    assert_eq!(&request.inputs[1].data[..], b"\x02\0\0\0\xc3\xa9\0\0\0\0");

    let binary = v2(&input("INT16", &json!([3]), &json!(6)), &[1, 0, 2, 0, 3, 0], None).unwrap();
    assert_eq!(&binary.inputs[0].data[..], [1, 0, 2, 0, 3, 0]);
    let texts = v2(&input("BYTES", &json!([1, 2]), &json!(9)), b"\x01\0\0\0a\0\0\0\0", None).unwrap();
    assert_eq!(texts.inputs[0].shape, [1, 2]);
}

#[test]
fn headers_that_lie_are_refused() {
    let eight = [0_u8; 8];
    for (head, tail, length, why) in [
        (input("FP64", &json!([1]), &json!(16)), &eight[..], None, "8 are left"),
        (input("FP64", &json!([1]), &json!(4)), &eight, None, "have 8"),
        (input("FP64", &json!([1]), &json!(-8)), &eight, None, "number of bytes"),
        (input("FP64", &json!([1]), &json!(8.5)), &eight, None, "number of bytes"),
        (input("FP64", &json!([1]), &json!("8")), &eight, None, "number of bytes"),
        (input("FP64", &json!([1]), &json!(u64::MAX)), &eight, None, "8 are left"),
        (input("FP64", &json!([2]), &json!(8)), &eight, None, "have 16"),
        (input("FP64", &json!([-1]), &json!(8)), &eight, None, "negative"),
        (input("FP64", &json!([1.5]), &json!(8)), &eight, None, "negative"),
        (input("FP64", &json!([u64::MAX, u64::MAX]), &json!(8)), &eight, None, "too large"),
        (input("FP64", &json!([0, u64::MAX]), &json!(0)), b"", Some("own"), "too large"),
        (input("FP64", &json!([1_u64 << 32, 1_u64 << 32]), &json!(8)), &eight, None, "too large"),
        (input("FP64", &json!(vec![1; 33]), &json!(8)), &eight, None, "axes"),
        (input("FP63", &json!([1]), &json!(8)), &eight, None, "datatype"),
        (input("BYTES", &json!([1]), &json!(8)), &[255; 8], None, "element 0 is to have 4294967295 bytes"),
        (input("BYTES", &json!([1]), &json!(3)), &[1, 0, 0], None, "within its length"),
        (input("BYTES", &json!([1]), &json!(8)), &eight, None, "2 elements"),
        (input("FP64", &json!([1]), &json!(8)), &[0; 9], None, "1 bytes at the end"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some("99999"), "has 99999 bytes"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some("-1"), "number of bytes"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some("1e2"), "number of bytes"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some(""), "number of bytes"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some("99999999999999999999999"), "number of bytes"),
        (input("FP64", &json!([1]), &json!(8)), &eight, Some("0"), "no request"),
        (json!({"inputs": []}), b"", None, "no inputs"),
        (json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}]}), b"", None, "no `data`"),
        (json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [2], "data": [1]}]}), b"", None, "1 elements"),
        (json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": 1}]}), b"", None, "a list"),
        (
            json!({"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [128]}]}),
            b"",
            None,
            "`128` is no INT8",
        ),
        (json!({"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [1.5]}]}), b"", None, "`1.5`"),
        (json!({"inputs": [{"name": "x", "datatype": "UINT64", "shape": [1], "data": [-1]}]}), b"", None, "`-1`"),
        (json!({"inputs": [{"name": "x", "datatype": "BOOL", "shape": [1], "data": [2]}]}), b"", None, "`2`"),
        (json!({"inputs": [{"name": "x", "datatype": "FP16", "shape": [1], "data": [2]}]}), b"", None, "binary data"),
        (
            json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [3], "data": [[1], [2, 3]]}]}),
            b"",
            None,
            "different",
        ),
    ] {
        let own = serde_json::to_vec(&head).unwrap().len().to_string();
        let length = length.map(|length| if length == "own" { own.as_str() } else { length });
        let refused = v2(&head, tail, length).expect_err(&head.to_string());
        assert!(refused.contains(why), "{head}: {refused}");
    }
    let twice = json!({"inputs": [{"name": "x", "datatype": "INT8", "shape": [0], "data": []},
                                  {"name": "x", "datatype": "INT8", "shape": [0], "data": []}]});
    assert!(v2(&twice, b"", None).unwrap_err().contains("two inputs"));
}

#[test]
fn outputs_are_chosen_and_written_as_asked() {
    let outputs = [
        Tensor::new(
            "a".into(),
            Datatype::Int64,
            vec![2],
            Bytes::copy_from_slice(&[[1_i64, -2].map(i64::to_le_bytes).concat()].concat()),
        )
        .unwrap(),
        Tensor::new("b".into(), Datatype::Bytes, vec![1], Bytes::from_static(b"\x01\0\0\0\"")).unwrap(),
    ];
    let answer = |asked: Value| {
        let head = json!({"inputs": [{"name": "x", "datatype": "INT8", "shape": [0], "data": []}], "outputs": asked});
        v2::encode(("m", None), "7", &outputs, &v2(&head, b"", None).unwrap().wanted)
    };
    let all = answer(Value::Null).unwrap();
    let told: Value = serde_json::from_slice(&all.body).unwrap();
    assert_eq!(
        told,
        json!({"id": "7", "model_name": "m", "outputs": [
        {"name": "a", "shape": [2], "datatype": "INT64", "data": [1, -2]},
        {"name": "b", "shape": [1], "datatype": "BYTES", "data": ["\""]}]})
    );
    let binary = answer(json!([{"name": "b", "parameters": {"binary_data": true}}])).unwrap();
    assert_eq!(&binary.body[binary.json_length.unwrap()..], b"\x01\0\0\0\"");
    let refused = answer(json!([{"name": "c"}])).err().unwrap();
    assert!(refused.0.contains("`a`, `b`"), "{refused}");
}

fn numbers() -> impl Strategy<Value = Value> {
    let element = prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has finite numbers", |one| one.is_finite() && one.abs() < 9e18)
            .prop_map(Value::from),
    ];
    (1..5_usize, 0..5_usize).prop_flat_map(move |(rows, columns)| {
        prop::collection::vec(prop::collection::vec(element.clone(), columns), rows).prop_map(|rows| json!(rows))
    })
}

proptest! {
    #[test]
    fn numbers_of_v1_go_out_as_they_came_in(rows in numbers()) {
        let body = json!({"instances": rows}).to_string();
        if let Ok(Instances::Tensor(tensor)) = v1::decode(&Bytes::from(body), false) {
            let told: Value = serde_json::from_slice(&v1::encode(&tensor).unwrap()).unwrap();
            let flat = |value: &Value| -> Vec<f64> {
                value.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).map(|one| one.as_f64().unwrap()).collect()
            };
            prop_assert_eq!(flat(&told["predictions"]), flat(&rows));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_taken(body in prop::collection::vec(any::<u8>(), 0..200), length in ".{0,12}") {
        let body = Bytes::from(body);
        let _ = v1::decode(&body, false);
        let _ = v2::decode(&body, None);
        let _ = v2::decode(&body, Some(&length));
    }

    #[test]
    fn any_sizes_are_refused_or_fit(
        datatype in prop::sample::select(Datatype::ALL.to_vec()),
        shape in prop::collection::vec(prop_oneof![0..6_u64, any::<u64>()], 0..5),
        size in prop_oneof![0..40_u64, any::<u64>()],
        tail in prop::collection::vec(any::<u8>(), 0..40),
        off in -3..4_i64,
    ) {
        let head = input(datatype.name(), &json!(shape), &json!(size));
        let honest = serde_json::to_vec(&head).unwrap().len() as i64;
        if let Ok(request) = v2(&head, &tail, Some(&(honest + off).to_string())) {
            let tensor = &request.inputs[0];
            prop_assert_eq!(tensor.data.len() as u64, size);
            if let Some(each) = datatype.size() {
                prop_assert_eq!(shape.iter().product::<u64>() * each as u64, size);
            }
        }
    }

    #[test]
    fn one_byte_that_is_another_is_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let head = serde_json::to_vec(&input("BYTES", &json!([2]), &json!(9))).unwrap();
        let mut body = [&head[..], b"\x01\0\0\0a\0\0\0\0"].concat();
        let place = place.index(body.len());
        body[place] = byte;
        let _ = v2::decode(&Bytes::from(body), Some(&head.len().to_string()));
    }
}
