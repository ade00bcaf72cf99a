from spire_bridge._proto import spire_types_pb2 as _spire_types_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetBundleRequest(_message.Message):
    __slots__ = ("output_mask",)
    OUTPUT_MASK_FIELD_NUMBER: _ClassVar[int]
    output_mask: _spire_types_pb2.BundleMask
    def __init__(self, output_mask: _Optional[_Union[_spire_types_pb2.BundleMask, _Mapping]] = ...) -> None: ...
