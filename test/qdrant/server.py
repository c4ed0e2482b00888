"""A test server that speaks Qdrant's gRPC in front of the real Qdrant engine.

The engine (PyPI qdrant-edge-py) is the shard of a Qdrant server: it stores,
indexes, filters and searches as that does. What a server has around its shards
is made here: several collections, aliases, API keys, the gRPC itself with its
status codes, checks of requests, indexing in the background, and data that
is there again after a restart on the same directory.

Not here: clusters and shard keys, snapshots, strict mode and rate limits,
tokens (JWT), recommendations and queries in stages, geo and datetime conditions,
and inference. Such requests are refused as UNIMPLEMENTED. Unlike a server, it
indexes only when UpdateCollection sets an indexing threshold above 0.

    python server.py --dir DIR [--port N] [--api-key KEY]

listens on loopback only, says {"port": N} on its standard output when it is
ready, and ends when its standard input does.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import sys
import threading
import types
import uuid
from concurrent import futures

import grpc
import numpy
import qdrant_edge as edge

# Only the stubs of the client: the whole of it takes a second to load.
client = types.ModuleType("qdrant_client")
client.__path__ = importlib.util.find_spec("qdrant_client").submodule_search_locations
sys.modules["qdrant_client"] = client

from qdrant_client import grpc as q
from qdrant_client.grpc import collections_service_pb2_grpc as collections_grpc
from qdrant_client.grpc import points_service_pb2_grpc as points_grpc
from qdrant_client.grpc import qdrant_pb2_grpc as health_grpc

VERSION = "1.17.0"
MAX_MESSAGE = 32 << 20

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


class Refused(Exception):
    """What a request is refused with."""

    def __init__(self, message, code=INVALID):
        super().__init__(message)
        self.code = code


def wrong(message):
    return Refused("Wrong input: " + message)


# Values of payloads.


def value_of(v):
    kind = v.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return {k: value_of(x) for k, x in v.struct_value.fields.items()}
    if kind == "list_value":
        return [value_of(x) for x in v.list_value.values]
    value = getattr(v, kind)
    if kind == "double_value" and value - value != 0:
        raise Refused("cannot convert to json number")
    return value


def fill_value(into, value):
    if value is None:
        into.null_value = 0
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        if value >= 1 << 63:
            into.double_value = value
        else:
            into.integer_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, dict):
        into.struct_value.SetInParent()
        for k, x in value.items():
            fill_value(into.struct_value.fields[k], x)
    else:
        into.list_value.SetInParent()
        for x in value:
            fill_value(into.list_value.values.add(), x)


# Ids.


def id_of(p):
    which = p.WhichOneof("point_id_options")
    if which == "num":
        return p.num
    if which == "uuid":
        try:
            return str(uuid.UUID(p.uuid))
        except ValueError:
            raise Refused(f"Unable to parse UUID: {p.uuid}") from None
    raise Refused("No ID options provided")


def fill_id(into, value):
    if isinstance(value, int):
        into.num = value
    else:
        into.uuid = str(value)


# Vectors.


def sparse_of(indices, values):
    if len(indices) != len(values):
        raise Refused("Validation error in body: [values: must be the same length as indices]")
    if len(set(indices)) != len(indices):
        raise Refused("Validation error in body: [indices: must be unique]")
    return edge.SparseVector(list(indices), list(values))


def vector_of(v):
    which = v.WhichOneof("vector")
    if which == "dense":
        return list(v.dense.data)
    if which == "sparse":
        return sparse_of(v.sparse.indices, v.sparse.values)
    if which == "multi_dense":
        rows = [list(r.data) for r in v.multi_dense.vectors]
        if not rows or any(len(r) != len(rows[0]) for r in rows):
            raise Refused("Validation error in body: [vectors: must be of equal lengths, and not empty]")
        return rows
    if which is not None:
        raise Refused(f"Inference of {which} is not enabled", UNIMPLEMENTED)
    if v.HasField("indices"):
        return sparse_of(v.indices.data, v.data)
    if v.HasField("vectors_count"):
        n = len(v.data) // max(1, v.vectors_count)
        return [list(v.data[i * n : i * n + n]) for i in range(v.vectors_count)]
    return list(v.data)


def vectors_of(p):
    which = p.vectors.WhichOneof("vectors_options") if p.HasField("vectors") else None
    if which is None:
        raise Refused("Expected some vectors")
    if which == "vector":
        return vector_of(p.vectors.vector)
    return {name: vector_of(v) for name, v in p.vectors.vectors.vectors.items()}


def fill_vector(into, v):
    if isinstance(v, edge.SparseVector):
        into.sparse.indices.extend(v.indices)
        into.sparse.values.extend(v.values)
    elif v and isinstance(v[0], list):
        for row in v:
            into.multi_dense.vectors.add().data.extend(row)
    else:
        into.dense.data.extend(v)


def fill_vectors(into, vector):
    if isinstance(vector, dict):
        into.vectors.SetInParent()
        for name, v in vector.items():
            fill_vector(into.vectors.vectors[name], v)
    else:
        fill_vector(into.vector, vector)


def fill_point(into, p):
    fill_id(into.id, p.id)
    for k, v in (p.payload or {}).items():
        fill_value(into.payload[k], v)
    if p.vector is not None:
        fill_vectors(into.vectors, p.vector)


# Filters.


def present(message, *names):
    return {n: getattr(message, n) for n in names if message.HasField(n)}


def match_of(m):
    which = m.WhichOneof("match_value")
    if which == "boolean":
        # Python's own bool is an int to the engine's binding, and numpy's is none.
        return edge.MatchValue(numpy.bool_(m.boolean))
    if which in ("keyword", "integer"):
        return edge.MatchValue(getattr(m, which))
    if which == "keywords":
        return edge.MatchAny(list(m.keywords.strings))
    if which == "integers":
        return edge.MatchAny(list(m.integers.integers))
    if which == "except_keywords":
        return edge.MatchExcept(list(m.except_keywords.strings))
    if which == "except_integers":
        return edge.MatchExcept(list(m.except_integers.integers))
    if which == "text":
        return edge.MatchText(m.text)
    raise Refused(f"Match of {which} is not supported by the test server", UNIMPLEMENTED)


def field_of(f):
    parts = {}
    if f.HasField("match"):
        parts["match"] = match_of(f.match)
    if f.HasField("range"):
        parts["range"] = edge.RangeFloat(**present(f.range, "lt", "gt", "gte", "lte"))
    if f.HasField("values_count"):
        parts["values_count"] = edge.ValuesCount(**present(f.values_count, "lt", "gt", "gte", "lte"))
    parts.update(present(f, "is_empty", "is_null"))
    for name in ("geo_bounding_box", "geo_radius", "geo_polygon", "datetime_range"):
        if f.HasField(name):
            raise Refused(f"Condition {name} is not supported by the test server", UNIMPLEMENTED)
    if not parts:
        raise Refused("Validation error in body: [field: at least one field condition must be specified]")
    return edge.FieldCondition(f.key, **parts)


def condition_of(c):
    which = c.WhichOneof("condition_one_of")
    if which == "field":
        return field_of(c.field)
    if which == "is_empty":
        return edge.IsEmptyCondition(c.is_empty.key)
    if which == "is_null":
        return edge.IsNullCondition(c.is_null.key)
    if which == "has_id":
        return edge.HasIdCondition([id_of(i) for i in c.has_id.has_id])
    if which == "filter":
        return filter_of(c.filter)
    if which == "nested":
        return edge.NestedCondition(c.nested.key, filter_of(c.nested.filter))
    if which == "has_vector":
        return edge.HasVectorCondition(c.has_vector.has_vector)
    raise Refused("Malformed Condition type")


def filter_of(f):
    parts = {n: [condition_of(c) for c in getattr(f, n)] for n in ("must", "should", "must_not") if getattr(f, n)}
    if f.HasField("min_should"):
        parts["min_should"] = edge.MinShould([condition_of(c) for c in f.min_should.conditions], f.min_should.min_count)
    return edge.Filter(**parts)


def filter_in(request):
    return filter_of(request.filter) if request.HasField("filter") else None


# Selectors of what comes back.


def payload_selector(s):
    which = s.WhichOneof("selector_options")
    if which is None:
        return False
    if which == "enable":
        return s.enable
    if which == "include":
        return edge.PayloadSelector.Include(list(s.include.fields))
    return edge.PayloadSelector.Exclude(list(s.exclude.fields))


def vectors_selector(s):
    which = s.WhichOneof("selector_options")
    if which is None:
        return False
    return s.enable if which == "enable" else list(s.include.names)


# Configurations.

DISTANCES = {
    q.Distance.Cosine: edge.Distance.Cosine,
    q.Distance.Euclid: edge.Distance.Euclid,
    q.Distance.Dot: edge.Distance.Dot,
    q.Distance.Manhattan: edge.Distance.Manhattan,
}
DATATYPES = {
    q.Datatype.Float32: edge.VectorStorageDatatype.Float32,
    q.Datatype.Uint8: edge.VectorStorageDatatype.Uint8,
    q.Datatype.Float16: edge.VectorStorageDatatype.Float16,
}
RATIOS = [edge.CompressionRatio.X4, edge.CompressionRatio.X8, edge.CompressionRatio.X16, edge.CompressionRatio.X32, edge.CompressionRatio.X64]
ENCODINGS = [edge.BinaryQuantizationEncoding.OneBit, edge.BinaryQuantizationEncoding.TwoBits, edge.BinaryQuantizationEncoding.OneAndHalfBits]


def quantization_of(c):
    which = c.WhichOneof("quantization")
    if which == "scalar":
        if c.scalar.type != q.QuantizationType.Int8:
            raise Refused("Unknown quantization type")
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, **present(c.scalar, "quantile", "always_ram"))
    if which == "product":
        return edge.ProductQuantizationConfig(RATIOS[c.product.compression], **present(c.product, "always_ram"))
    if which == "binary":
        more = {"encoding": ENCODINGS[c.binary.encoding]} if c.binary.HasField("encoding") else {}
        return edge.BinaryQuantizationConfig(**present(c.binary, "always_ram"), **more)
    raise Refused("Unable to convert quantization config")


def vector_params(p):
    if not 1 <= p.size <= 65536:
        raise Refused(f"Validation error in body: [vectors.size: value {p.size} invalid, must be from 1 to 65536]")
    if p.distance not in DISTANCES:
        raise Refused("Malformed distance parameter: UnknownDistance")
    more = present(p, "on_disk")
    if p.HasField("quantization_config"):
        more["quantization_config"] = quantization_of(p.quantization_config)
    if p.HasField("datatype") and p.datatype in DATATYPES:
        more["datatype"] = DATATYPES[p.datatype]
    if p.HasField("multivector_config"):
        more["multivector_config"] = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    return edge.EdgeVectorParams(p.size, DISTANCES[p.distance], **more)


def sparse_params(p):
    more = present(p.index, "full_scan_threshold", "on_disk")
    if p.modifier == q.Modifier.Idf:
        more["modifier"] = edge.Modifier.Idf
    if p.index.HasField("datatype") and p.index.datatype in DATATYPES:
        more["datatype"] = DATATYPES[p.index.datatype]
    return edge.EdgeSparseVectorParams(**more)


def engine_config(c):
    """c is a CreateCollection."""
    parts = {}
    which = c.vectors_config.WhichOneof("config")
    if which == "params":
        parts["vectors"] = vector_params(c.vectors_config.params)
    elif which == "params_map":
        parts["vectors"] = {n: vector_params(p) for n, p in c.vectors_config.params_map.map.items()}
    if c.HasField("sparse_vectors_config"):
        parts["sparse_vectors"] = {n: sparse_params(p) for n, p in c.sparse_vectors_config.map.items()}
    both = set(parts.get("sparse_vectors", ())) & set(parts["vectors"] if which == "params_map" else ())
    if both:
        raise wrong(f"Vector name `{both.pop()}` is used for both dense and sparse vectors")
    if not parts.get("vectors") and not parts.get("sparse_vectors"):
        # A server takes collections of payloads alone, which the engine does not.
        parts["sparse_vectors"] = {"none": edge.EdgeSparseVectorParams()}
    if c.HasField("quantization_config"):
        parts["quantization_config"] = quantization_of(c.quantization_config)
    o = c.optimizers_config
    parts["optimizers"] = edge.EdgeOptimizersConfig(
        **present(o, "deleted_threshold", "vacuum_min_vector_number", "default_segment_number", "max_segment_size", "indexing_threshold")
    )
    return edge.EdgeConfig(**parts)


FIELD_TYPES = {
    q.FieldType.FieldTypeKeyword: (edge.PayloadSchemaType.Keyword, q.PayloadSchemaType.Keyword),
    q.FieldType.FieldTypeInteger: (edge.PayloadSchemaType.Integer, q.PayloadSchemaType.Integer),
    q.FieldType.FieldTypeFloat: (edge.PayloadSchemaType.Float, q.PayloadSchemaType.Float),
    q.FieldType.FieldTypeGeo: (edge.PayloadSchemaType.Geo, q.PayloadSchemaType.Geo),
    q.FieldType.FieldTypeText: (edge.PayloadSchemaType.Text, q.PayloadSchemaType.Text),
    q.FieldType.FieldTypeBool: (edge.PayloadSchemaType.Bool, q.PayloadSchemaType.Bool),
    q.FieldType.FieldTypeDatetime: (edge.PayloadSchemaType.Datetime, q.PayloadSchemaType.Datetime),
    q.FieldType.FieldTypeUuid: (edge.PayloadSchemaType.Uuid, q.PayloadSchemaType.Uuid),
}


class Collection:
    """One collection: what it was created with, its indexes, and its shard."""

    def __init__(self, path, create, indexes):
        self.path, self.create, self.indexes = path, create, indexes
        self.lock = threading.Lock()  # of what is not the engine's
        self.optimizing = 0
        self.idle = threading.Condition()
        self.users = 0  # calls that the shard is in
        shard = os.path.join(path, "shard")
        if os.path.isdir(shard):
            self.shard = edge.EdgeShard.load(shard, engine_config(create))
        else:
            config = engine_config(create)
            os.makedirs(shard)
            self.shard = edge.EdgeShard.create(shard, config)
        self.save()

    @staticmethod
    def load(path):
        with open(os.path.join(path, "meta.json"), encoding="utf-8") as f:
            meta = json.load(f)
        create = q.CreateCollection.FromString(bytes.fromhex(meta["create"]))
        indexes = {n: q.CreateFieldIndexCollection.FromString(bytes.fromhex(x)) for n, x in meta["indexes"].items()}
        return Collection(path, create, indexes)

    def save(self):
        meta = {
            "create": self.create.SerializeToString().hex(),
            "indexes": {n: x.SerializeToString().hex() for n, x in self.indexes.items()},
        }
        file = os.path.join(self.path, "meta.json")
        with open(file + ".new", "w", encoding="utf-8") as f:
            json.dump(meta, f)
        os.replace(file + ".new", file)

    @contextlib.contextmanager
    def use(self):
        with self.idle:
            self.users += 1
        try:
            yield self.shard
        finally:
            with self.idle:
                self.users -= 1
                self.idle.notify_all()

    def update(self, operation):
        with self.use() as shard:
            shard.update(operation)

    def configure(self, optimizers):
        """Opens the shard anew, which is how the engine is configured."""
        with self.idle:
            self.idle.wait_for(lambda: self.users == 0)
            self.create.optimizers_config.MergeFrom(optimizers)
            self.save()
            self.shard.close()
            self.shard = edge.EdgeShard.load(os.path.join(self.path, "shard"), engine_config(self.create))

    def optimize(self):
        with self.lock:
            self.optimizing += 1

        def work():
            try:
                with self.use() as shard:
                    shard.optimize()
            finally:
                with self.lock:
                    self.optimizing -= 1

        threading.Thread(target=work, daemon=True).start()

    def info(self):
        c = self.create
        with self.use() as shard:
            i = shard.info()
        out = q.CollectionInfo(
            status=q.CollectionStatus.Yellow if self.optimizing else q.CollectionStatus.Green,
            optimizer_status=q.OptimizerStatus(ok=True),
            segments_count=i.segments_count,
            points_count=i.points_count,
            indexed_vectors_count=i.indexed_vectors_count,
        )
        p = out.config.params
        p.shard_number, p.replication_factor, p.write_consistency_factor = 1, 1, 1
        p.on_disk_payload = c.on_disk_payload if c.HasField("on_disk_payload") else True
        if c.HasField("vectors_config"):
            p.vectors_config.CopyFrom(c.vectors_config)
        if c.HasField("sparse_vectors_config"):
            p.sparse_vectors_config.CopyFrom(c.sparse_vectors_config)
        h = out.config.hnsw_config
        h.m, h.ef_construct, h.full_scan_threshold, h.max_indexing_threads, h.on_disk = 16, 100, 10000, 0, False
        h.MergeFrom(c.hnsw_config)
        w = out.config.wal_config
        w.wal_capacity_mb, w.wal_segments_ahead = 32, 0
        o = out.config.optimizer_config
        o.deleted_threshold, o.vacuum_min_vector_number, o.default_segment_number = 0.2, 1000, 0
        o.indexing_threshold, o.flush_interval_sec = 10000, 5
        o.MergeFrom(c.optimizers_config)
        if c.HasField("quantization_config"):
            out.config.quantization_config.CopyFrom(c.quantization_config)
        for name, x in self.indexes.items():
            s = out.payload_schema[name]
            s.data_type = FIELD_TYPES[x.field_type][1]
            if x.HasField("field_index_params"):
                s.params.CopyFrom(x.field_index_params)
            known = i.payload_schema.get(name)
            s.points = known.points if known is not None else 0
        return out


class Database:
    """All collections and aliases of a directory."""

    def __init__(self, path):
        self.path = os.path.join(path, "collections")
        os.makedirs(self.path, exist_ok=True)
        self.lock = threading.Lock()
        self.collections = {}
        for name in sorted(os.listdir(self.path)):
            at = os.path.join(self.path, name)
            if os.path.exists(os.path.join(at, "meta.json")):
                self.collections[bytes.fromhex(name).decode()] = Collection.load(at)
            else:
                shutil.rmtree(at)  # of a creation that was cut
        self.file = os.path.join(path, "aliases.json")
        self.aliases = {}
        if os.path.exists(self.file):
            with open(self.file, encoding="utf-8") as f:
                self.aliases = json.load(f)

    def get(self, name):
        with self.lock:
            c = self.collections.get(self.aliases.get(name, name))
        if c is None:
            raise Refused(f"Not found: Collection `{name}` doesn't exist!", NOT_FOUND)
        return c

    def add(self, request):
        name = request.collection_name
        if not 1 <= len(name) <= 255 or any(ch in name for ch in '<>:"/\\|?*\0\x1f'):
            raise Refused(f"Validation error in body: [collection_name: value {name!r} invalid]")
        with self.lock:
            if name in self.collections:
                raise Refused(f"Wrong input: Collection `{name}` already exists!", grpc.StatusCode.ALREADY_EXISTS)
            if name in self.aliases:
                raise wrong(f"Can't create collection with name {name}. Alias with the same name already exists")
            path = os.path.join(self.path, name.encode().hex())
            try:
                os.makedirs(path)
                self.collections[name] = Collection(path, request, {})
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise

    def drop(self, name):
        with self.lock:
            c = self.collections.pop(name, None)
            if c is None:
                return False
            self.aliases = {a: n for a, n in self.aliases.items() if n != name}
            self.save()
        with c.idle:
            c.idle.wait_for(lambda: c.users == 0)
            c.shard.close()
            shutil.rmtree(c.path, ignore_errors=True)
        return True

    def alias(self, actions):
        with self.lock:
            aliases = dict(self.aliases)
            for a in actions:
                which = a.WhichOneof("action")
                if which == "create_alias":
                    a = a.create_alias
                    if a.collection_name not in self.collections:
                        raise Refused(f"Not found: Collection `{a.collection_name}` doesn't exist!", NOT_FOUND)
                    if a.alias_name in self.collections:
                        raise wrong(f"Collection with the same name already exists: {a.alias_name}")
                    aliases[a.alias_name] = a.collection_name
                elif which == "delete_alias":
                    aliases.pop(a.delete_alias.alias_name, None)
                elif which == "rename_alias":
                    a = a.rename_alias
                    if a.old_alias_name not in aliases:
                        raise Refused(f"Not found: Alias {a.old_alias_name} does not exists!", NOT_FOUND)
                    aliases[a.new_alias_name] = aliases.pop(a.old_alias_name)
                else:
                    raise Refused("Malformed AliasOperation type")
            self.aliases = aliases
            self.save()

    def save(self):
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            json.dump(self.aliases, f)
        os.replace(self.file + ".new", self.file)

    def close(self):
        with self.lock:
            for c in self.collections.values():
                c.shard.flush()


class Health(health_grpc.QdrantServicer):
    def HealthCheck(self, request, context):
        return q.HealthCheckReply(title="qdrant - vector search engine", version=VERSION)


class Collections(collections_grpc.CollectionsServicer):
    def __init__(self, db):
        self.db = db

    def Get(self, request, context):
        return q.GetCollectionInfoResponse(result=self.db.get(request.collection_name).info())

    def List(self, request, context):
        return q.ListCollectionsResponse(collections=[q.CollectionDescription(name=n) for n in sorted(self.db.collections)])

    def Create(self, request, context):
        for name in ("sharding_method", "strict_mode_config"):
            if request.HasField(name):
                raise Refused(f"{name} is not supported by the test server", UNIMPLEMENTED)
        self.db.add(request)
        return q.CollectionOperationResponse(result=True)

    def Update(self, request, context):
        known = {"collection_name", "optimizers_config", "timeout"}
        for field, _ in request.ListFields():
            if field.name not in known:
                raise Refused(f"Update of {field.name} is not supported by the test server", UNIMPLEMENTED)
        c = self.db.get(request.collection_name)
        c.configure(request.optimizers_config)
        if request.optimizers_config.indexing_threshold > 0:
            c.optimize()
        return q.CollectionOperationResponse(result=True)

    def Delete(self, request, context):
        return q.CollectionOperationResponse(result=self.db.drop(request.collection_name))

    def UpdateAliases(self, request, context):
        self.db.alias(request.actions)
        return q.CollectionOperationResponse(result=True)

    def ListCollectionAliases(self, request, context):
        self.db.get(request.collection_name)
        return self.aliases(request.collection_name)

    def ListAliases(self, request, context):
        return self.aliases(None)

    def aliases(self, of):
        found = [(a, n) for a, n in sorted(self.db.aliases.items()) if of in (None, n)]
        return q.ListAliasesResponse(aliases=[q.AliasDescription(alias_name=a, collection_name=n) for a, n in found])

    def CollectionExists(self, request, context):
        with self.db.lock:
            name = self.db.aliases.get(request.collection_name, request.collection_name)
            return q.CollectionExistsResponse(result=q.CollectionExists(exists=name in self.db.collections))

    def CollectionClusterInfo(self, request, context):
        n = self.db.get(request.collection_name).info().points_count
        shard = q.LocalShardInfo(shard_id=0, points_count=n, state=q.ReplicaState.Active)
        return q.CollectionClusterInfoResponse(peer_id=1, shard_count=1, local_shards=[shard])


def done():
    return q.PointsOperationResponse(result=q.UpdateResult(operation_id=0, status=q.UpdateStatus.Completed))


class Points(points_grpc.PointsServicer):
    def __init__(self, db):
        self.db = db

    def collection(self, request, *not_here):
        for name in not_here:
            if request.HasField(name):
                raise Refused(f"{name} is not supported by the test server", UNIMPLEMENTED)
        return self.db.get(request.collection_name)

    def Upsert(self, request, context):
        c = self.collection(request, "shard_key_selector", "update_filter", "update_mode")
        points = [edge.Point(id_of(p.id), vectors_of(p), {k: value_of(v) for k, v in p.payload.items()}) for p in request.points]
        if points:
            c.update(edge.UpdateOperation.upsert_points(points))
        return done()

    def Delete(self, request, context):
        c = self.collection(request, "shard_key_selector")
        which = request.points.WhichOneof("points_selector_one_of")
        if which == "points":
            ids = [id_of(i) for i in request.points.points.ids]
            if ids:
                c.update(edge.UpdateOperation.delete_points(ids))
        elif which == "filter":
            c.update(edge.UpdateOperation.delete_points_by_filter(filter_of(request.points.filter)))
        else:
            raise Refused("PointSelector is missing")
        return done()

    def Get(self, request, context):
        c = self.collection(request, "shard_key_selector")
        ids = [id_of(i) for i in request.ids]
        with c.use() as shard:
            found = shard.retrieve(ids, payload_selector(request.with_payload), vectors_selector(request.with_vectors))
        out = q.GetResponse()
        for p in found:
            fill_point(out.result.add(), p)
        return out

    def Scroll(self, request, context):
        c = self.collection(request, "shard_key_selector", "order_by")
        limit = request.limit if request.HasField("limit") else 10
        if limit < 1:
            raise Refused("Validation error in body: [limit: value 0 invalid, must be 1 or larger]")
        scroll = edge.ScrollRequest(
            offset=id_of(request.offset) if request.HasField("offset") else None,
            limit=limit,
            filter=filter_in(request),
            with_payload=payload_selector(request.with_payload),
            with_vector=vectors_selector(request.with_vectors),
        )
        with c.use() as shard:
            found, after = shard.scroll(scroll)
        out = q.ScrollResponse()
        for p in found:
            fill_point(out.result.add(), p)
        if after is not None:
            fill_id(out.next_page_offset, after)
        return out

    def Count(self, request, context):
        c = self.collection(request, "shard_key_selector")
        exact = request.exact if request.HasField("exact") else True
        count = edge.CountRequest(exact=exact, filter=filter_in(request))
        with c.use() as shard:
            n = shard.count(count)
        return q.CountResponse(result=q.CountResult(count=n))

    def Query(self, request, context):
        c = self.collection(request, "shard_key_selector", "lookup_from")
        if request.prefetch:
            raise Refused("prefetch is not supported by the test server", UNIMPLEMENTED)
        query = None
        if request.HasField("query"):
            which = request.query.WhichOneof("variant")
            if which == "nearest":
                query = edge.Query.Nearest(self.nearest(request.query.nearest), request.using or None)
            elif which == "sample":
                query = edge.Sample.Random
            else:
                raise Refused("this query is not supported by the test server", UNIMPLEMENTED)
        search = edge.QueryRequest(
            limit=request.limit if request.HasField("limit") else 10,
            offset=request.offset,
            query=query,
            filter=filter_in(request),
            score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
            params=edge.SearchParams(**present(request.params, "hnsw_ef", "exact", "indexed_only")),
            with_payload=payload_selector(request.with_payload),
            with_vector=vectors_selector(request.with_vectors),
        )
        with c.use() as shard:
            found = shard.query(search)
        out = q.QueryResponse()
        for p in found:
            into = out.result.add()
            fill_point(into, p)
            into.score, into.version = p.score, p.version
        return out

    @staticmethod
    def nearest(v):
        which = v.WhichOneof("variant")
        if which == "dense":
            return list(v.dense.data)
        if which == "sparse":
            return sparse_of(v.sparse.indices, v.sparse.values)
        if which == "multi_dense":
            return [list(r.data) for r in v.multi_dense.vectors]
        raise Refused(f"A query by {which} is not supported by the test server", UNIMPLEMENTED)

    def CreateFieldIndex(self, request, context):
        c = self.collection(request)
        kept = q.CreateFieldIndexCollection(field_type=request.field_type)
        if request.HasField("field_index_params"):
            kept.field_index_params.CopyFrom(request.field_index_params)
            # The engine gets the type only: what else there is changes where an
            # index lies, or how texts are cut, and is given back as it was said.
        elif not request.HasField("field_type"):
            raise Refused("Cannot convert field type: field_type is missing")
        c.update(edge.UpdateOperation.create_field_index(request.field_name, FIELD_TYPES[request.field_type][0]))
        with c.lock:
            c.indexes[request.field_name] = kept
            c.save()
        return done()

    def DeleteFieldIndex(self, request, context):
        c = self.collection(request)
        c.update(edge.UpdateOperation.delete_field_index(request.field_name))
        with c.lock:
            c.indexes.pop(request.field_name, None)
            c.save()
        return done()


class Door(grpc.ServerInterceptor):
    """Checks the key, and makes status codes of what goes wrong behind it."""

    def __init__(self, key):
        self.key = key

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler is None:
            return None
        given = {k: v for k, v in details.invocation_metadata}

        def answer(request, context):
            if self.key:
                key = given.get("api-key") or given.get("authorization", "").removeprefix("Bearer ")
                if not key:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")
                if key != self.key:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")
            try:
                return handler.unary_unary(request, context)
            except Refused as e:
                context.abort(e.code, str(e))
            except NotImplementedError:
                context.abort(UNIMPLEMENTED, "Method not implemented")
            except Exception as e:  # of the engine, which has no types for them
                context.abort(INVALID, "Wrong input: " + str(e))

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", default="")
    args = parser.parse_args()

    db = Database(args.dir)
    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        interceptors=[Door(args.api_key)],
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    health_grpc.add_QdrantServicer_to_server(Health(), server)
    collections_grpc.add_CollectionsServicer_to_server(Collections(db), server)
    points_grpc.add_PointsServicer_to_server(Points(db), server)
    port = server.add_insecure_port(f"127.0.0.1:{args.port}")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    server.stop(0).wait()
    db.close()
    os._exit(0)  # the engine's threads need not be waited for


if __name__ == "__main__":
    main()
