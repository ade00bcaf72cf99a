"""The private descriptor pool that the generated modules register in.

PyPI's `spiffe` defines the same service in protobuf's default pool; two definitions
in one pool are an error. Well-known types that our files import are copied here.
"""

from google.protobuf import descriptor_pool, struct_pb2

POOL = descriptor_pool.DescriptorPool()
POOL.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
