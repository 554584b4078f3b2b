"""The gRPC messages: what is checked in was made from the ``.proto``, and is what Triton's client speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)
from tritonclient.grpc import model_config_pb2, service_pb2

import edge_runtime.serving
from edge_runtime.serving.grpc_messages import DESCRIPTOR_NAME

FOLDER = Path(edge_runtime.serving.__file__).parent
SCALARS = {
    name: FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}")
    for name in ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")
}


class Proto:
    """Reads as much of proto3 as ours uses: messages in messages, enums, maps, oneofs, one service."""

    def __init__(self, text: str) -> None:
        plain = re.sub(r"//[^\n]*", "", text)
        self._tokens: Iterator[str] = iter(re.findall(r'"[^"]*"|[\w.]+|[{}();=<>,]', plain))
        self.file = FileDescriptorProto(name="open_inference.proto")
        for word in self._tokens:
            if word == "syntax":
                self._expect("=")
                self.file.syntax = next(self._tokens).strip('"')
                self._expect(";")
            elif word == "package":
                self.file.package = next(self._tokens)
                self._expect(";")
            elif word == "message":
                self._message(self.file.message_type.add())
            elif word == "enum":
                self._enum(self.file.enum_type.add())
            elif word == "service":
                self._service()
            else:
                raise AssertionError(word)
        for message in self.file.message_type:
            self._resolve(message, f".{self.file.package}.{message.name}")

    def _expect(self, *words: str) -> None:
        for word in words:
            assert next(self._tokens) == word

    def _message(self, message: DescriptorProto) -> None:
        message.name = next(self._tokens)
        self._expect("{")
        while (word := next(self._tokens)) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "oneof":
                message.oneof_decl.add(name=next(self._tokens))
                self._expect("{")
                while (inner := next(self._tokens)) != "}":
                    self._field(message, inner).oneof_index = len(message.oneof_decl) - 1
            elif word == "map":
                self._map(message)
            else:
                self._field(message, word)

    def _field(self, message: DescriptorProto, word: str) -> FieldDescriptorProto:
        field = message.field.add(label=FieldDescriptorProto.LABEL_OPTIONAL)
        if word == "repeated":
            field.label, word = FieldDescriptorProto.LABEL_REPEATED, next(self._tokens)
        if word in SCALARS:
            field.type = SCALARS[word]
        else:
            field.type_name = word
        field.name = next(self._tokens)
        self._expect("=")
        field.number = int(next(self._tokens))
        self._expect(";")
        return field

    def _map(self, message: DescriptorProto) -> None:
        self._expect("<", "string", ",")
        value = next(self._tokens)
        self._expect(">")
        field = self._field(message, "repeated-entry")
        entry = message.nested_type.add(name=f"{field.name.title()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL, type=SCALARS["string"])
        entry.field.add(name="value", number=2, label=FieldDescriptorProto.LABEL_OPTIONAL, type_name=value)
        field.label, field.type_name = FieldDescriptorProto.LABEL_REPEATED, entry.name

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = next(self._tokens)
        self._expect("{")
        while (name := next(self._tokens)) != "}":
            self._expect("=")
            enum.value.add(name=name, number=int(next(self._tokens)))
            self._expect(";")

    def _service(self) -> None:
        service = self.file.service.add(name=next(self._tokens))
        self._expect("{")
        while next(self._tokens) == "rpc":
            method = service.method.add(name=next(self._tokens))
            method.input_type = self._of(method, "client_streaming")
            self._expect("returns")
            method.output_type = self._of(method, "server_streaming")
            self._expect("{", "}")
            method.options.SetInParent()

    def _of(self, method: MethodDescriptorProto, streaming: str) -> str:
        self._expect("(")
        word = next(self._tokens)
        if word == "stream":
            setattr(method, streaming, True)
            word = next(self._tokens)
        self._expect(")")
        return f".{self.file.package}.{word}"

    def _resolve(self, message: DescriptorProto, path: str) -> None:
        inside = {nested.name for nested in message.nested_type}
        enums = {enum.name for enum in self.file.enum_type}
        for field in message.field:
            if field.type_name:
                field.type = (
                    FieldDescriptorProto.TYPE_ENUM if field.type_name in enums else FieldDescriptorProto.TYPE_MESSAGE
                )
                scope = path if field.type_name in inside else f".{self.file.package}"
                field.type_name = f"{scope}.{field.type_name}"
        for nested in message.nested_type:
            self._resolve(nested, f"{path}.{nested.name}")


def checked_in() -> FileDescriptorProto:
    (file,) = FileDescriptorSet.FromString((FOLDER / DESCRIPTOR_NAME).read_bytes()).file
    for message in file.message_type:
        forget_json_names(message)
    return file


def forget_json_names(message: DescriptorProto) -> None:
    """They follow from the names."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        forget_json_names(nested)


def test_the_descriptor_was_made_from_the_proto() -> None:
    ours = Proto((FOLDER / "open_inference.proto").read_text("utf-8")).file
    assert str(checked_in()) == str(ours)


def test_a_changed_proto_would_be_noticed() -> None:
    text = (FOLDER / "open_inference.proto").read_text("utf-8")
    for old, new in (
        ("bool live = 1;", "bool live = 2;"),
        ("repeated bytes raw_input_contents", "bytes raw_input_contents"),
        ("TYPE_BF16 = 14", "TYPE_BF16 = 15"),
        ("returns (stream ModelStream", "returns (ModelStream"),
    ):
        assert old in text
        assert str(checked_in()) != str(Proto(text.replace(old, new)).file)


def theirs() -> dict[str, DescriptorProto]:
    messages = {}
    for module in (service_pb2, model_config_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            forget_json_names(message)
            messages[message.name] = message
    return messages


@pytest.mark.parametrize("message", checked_in().message_type, ids=lambda message: message.name)
def test_each_message_is_one_of_tritons(message: DescriptorProto) -> None:
    assert is_part_of(message, theirs()[message.name]) == []


def is_part_of(ours: DescriptorProto, other: DescriptorProto) -> list[str]:
    """Names of our fields that are not theirs to the last detail; we may have fewer."""
    known = {field.name: field for field in other.field}
    wrong = [field.name for field in ours.field if known.get(field.name) != field]
    nested = {each.name: each for each in other.nested_type}
    for each in ours.nested_type:
        wrong += is_part_of(each, nested[each.name])
    return wrong


def test_each_call_is_one_of_tritons() -> None:
    file = FileDescriptorProto()
    service_pb2.DESCRIPTOR.CopyToProto(file)
    (service,) = file.service
    known = {
        each.name: (each.input_type, each.output_type, each.client_streaming, each.server_streaming)
        for each in service.method
    }
    (ours,) = checked_in().service
    assert (file.package, service.name) == (checked_in().package, ours.name)
    for each in ours.method:
        assert known[each.name] == (each.input_type, each.output_type, each.client_streaming, each.server_streaming)
