"""What an application does with Pinecone's official client, and what must come of it.

Reads one JSON object from standard input: {"control", "key", "index"}, and, where
the index is there already, "host", with "grpc_host" where gRPC has another; "sparse":
false where records cannot have sparse vectors. Does everything by REST and then by gRPC. Ends
with status 0 where all of it holds; else it says on standard error what does not.
"""

import json
import os
import sys

from pinecone import Pinecone, ServerlessSpec
from pinecone.errors.exceptions import PineconeError

DIM = 4


def records(sparse=True):
    out = []
    for i in range(250):
        out.append({
            "id": f"id-{i:04d}",
            "values": [float(i % 7) + 0.5, float(i % 5), float(i % 3), 1.0],
            "metadata": {"year": 1990 + i % 30, "genre": ["drama", "comedy"][i % 2], "new": i % 3 == 0, "tags": ["a", f"t{i % 4}"]},
        })
    if sparse:
        out[0]["sparse_values"] = {"indices": [3, 70000], "values": [0.5, 0.25]}
    return out


def fails(call, *words):
    """The call must raise an exception of the client that says one of the words."""
    try:
        call()
    except PineconeError as e:
        assert any(w.lower() in str(e).lower() for w in words), f"{e!r} says none of {words}"
    else:
        raise AssertionError(f"nothing is raised that says one of {words}")


def control(pc, name):
    assert not pc.indexes.exists(name)
    pc.create_index(name=name, dimension=DIM, metric="dotproduct", spec=ServerlessSpec(cloud="aws", region="us-east-1"))
    ix = pc.describe_index(name)
    assert ix.status.ready and ix.dimension == DIM and ix.metric == "dotproduct", ix
    assert name in [i.name for i in pc.list_indexes()]
    fails(lambda: pc.create_index(name=name, dimension=DIM, metric="cosine", spec=ServerlessSpec(cloud="aws", region="us-east-1")), "already", "409", "conflict")
    pc.indexes.configure(name, deletion_protection="enabled")
    fails(lambda: pc.delete_index(name), "protection", "403", "forbidden")
    pc.indexes.configure(name, deletion_protection="disabled")
    fails(lambda: pc.describe_index("nobody"), "not found", "404")
    return ix.host


def data(ix, ns, with_sparse):
    all_of_them = records(with_sparse)
    assert ix.upsert(vectors=all_of_them[:200], namespace=ns).upserted_count == 200
    ix.upsert(vectors=all_of_them[200:], namespace=ns)
    fails(lambda: ix.upsert(vectors=[{"id": "x", "values": [1.0]}], namespace=ns), "dimension")
    fails(lambda: ix.upsert(vectors=[{"id": "x" * 513, "values": [1.0] * DIM}], namespace=ns), "512")

    stats = ix.describe_index_stats()
    assert stats.namespaces[ns].vector_count == 250 and stats.dimension == DIM, stats

    got = ix.fetch(ids=["id-0000", "id-0003", "nobody"], namespace=ns).vectors
    assert sorted(got) == ["id-0000", "id-0003"], got
    assert list(got["id-0003"].values) == all_of_them[3]["values"]
    assert got["id-0003"].metadata == all_of_them[3]["metadata"], got["id-0003"].metadata
    sparse = got["id-0000"].sparse_values
    assert not with_sparse or list(sparse.indices) == [3, 70000] and list(sparse.values) == [0.5, 0.25], sparse

    def ids(page):
        return [v if isinstance(v, str) else v.id for v in getattr(page, "vectors", page)]
    listed = [i for page in ix.list(namespace=ns, limit=60) for i in ids(page)]
    assert listed == [r["id"] for r in all_of_them], listed[:3]
    assert [i for page in ix.list(prefix="id-020", namespace=ns) for i in ids(page)] == [f"id-020{i}" for i in range(10)]

    def query(f, **more):
        return ix.query(vector=[1.0, 0.0, 0.0, 0.0], top_k=1000, namespace=ns, filter=f, **more).matches
    for f, holds in FILTERS:
        want = sorted(r["id"] for r in all_of_them if holds(r["metadata"]))
        found = sorted(m.id for m in query(f))
        assert found == want, f"{f}: {len(found)} are found, {len(want)} are wanted"
    best = query(None, include_values=True, include_metadata=True)
    assert [m.score for m in best] == sorted((m.score for m in best), reverse=True)
    assert best[0].score == 6.5 and best[0].values[0] == 6.5 and "year" in best[0].metadata, best[0]
    hybrid = with_sparse and ix.query(vector=[0.0, 0.0, 0.0, 1.0], sparse_vector={"indices": [3], "values": [100.0]}, top_k=1, namespace=ns).matches
    assert not with_sparse or hybrid[0].id == "id-0000" and hybrid[0].score == 51.0, hybrid
    assert ix.query(id="id-0006", top_k=3, namespace=ns).matches[0].score > 1
    fails(lambda: query({"year": {"$like": 1}}), "$like", "operator")

    ix.update(id="id-0005", values=[9.0] * DIM, set_metadata={"genre": "epic", "pages": 7}, namespace=ns)
    one = ix.fetch(ids=["id-0005"], namespace=ns).vectors["id-0005"]
    assert list(one.values) == [9.0] * DIM and one.metadata["genre"] == "epic" and one.metadata["year"] == 1995 and one.metadata["pages"] == 7, one
    ix.update(filter={"year": 2003}, set_metadata={"seen": True}, namespace=ns)
    assert len(query({"seen": True})) == len([r for r in all_of_them if r["metadata"]["year"] == 2003])
    by = ix.fetch_by_metadata(filter={"genre": "epic"}, namespace=ns).vectors
    assert list(by) == ["id-0005"], by

    ix.delete(ids=["id-0001", "nobody"], namespace=ns)
    ix.delete(filter={"genre": "comedy"}, namespace=ns)
    assert ix.describe_index_stats().namespaces[ns].vector_count == 126
    assert not query({"genre": "comedy"})


FILTERS = [
    (None, lambda m: True),
    ({"year": 2003}, lambda m: m["year"] == 2003),
    ({"year": {"$eq": 2003}}, lambda m: m["year"] == 2003),
    ({"year": {"$ne": 2003}}, lambda m: m["year"] != 2003),
    ({"year": {"$gt": 2003}}, lambda m: m["year"] > 2003),
    ({"year": {"$gte": 2003, "$lt": 2010}}, lambda m: 2003 <= m["year"] < 2010),
    ({"year": {"$lte": 1995}}, lambda m: m["year"] <= 1995),
    ({"genre": {"$in": ["drama", "epic"]}}, lambda m: m["genre"] == "drama"),
    ({"genre": {"$nin": ["drama"]}}, lambda m: m["genre"] != "drama"),
    ({"tags": "t2"}, lambda m: "t2" in m["tags"]),
    ({"tags": {"$in": ["t1", "t3"]}}, lambda m: {"t1", "t3"} & set(m["tags"])),
    ({"nothing": {"$exists": True}}, lambda m: False),
    ({"year": {"$exists": True}}, lambda m: True),
    ({"new": True}, lambda m: m["new"]),
    ({"$or": [{"year": {"$lt": 1993}}, {"$and": [{"genre": "drama"}, {"new": {"$eq": True}}]}]},
     lambda m: m["year"] < 1993 or m["genre"] == "drama" and m["new"]),
]


def namespaces(ix, ns):
    assert ix.create_namespace(name="empty").name == "empty"
    names = [n.name for page in ix.list_namespaces() for n in getattr(page, "namespaces", [page])]
    assert sorted(names) == sorted(["empty", ns or "__default__"]), names
    assert int(ix.describe_namespace(name=ns or "__default__").record_count) == 126
    ix.delete_namespace(name="empty")
    fails(lambda: ix.describe_namespace(name="empty"), "not found", "404")
    ix.delete(delete_all=True, namespace=ns)
    assert ns not in ix.describe_index_stats().namespaces


def main():
    where = json.loads(sys.stdin.readline())
    pc = Pinecone(api_key=where["key"], host=where.get("control"), grpc_scheme="http")
    host = where.get("host") or control(pc, where["index"])
    for grpc, ns in ((False, ""), (True, "by-grpc")):
        ix = pc.index(host=where.get("grpc_host", host) if grpc else host, grpc=grpc)
        data(ix, ns, where.get("sparse", True))
        namespaces(ix, ns)
    wrong = Pinecone(api_key="wrong", host=where.get("control"), grpc_scheme="http")
    fails(lambda: wrong.index(host=host).describe_index_stats(), "401", "unauthorized", "api key")
    if "host" in where:
        fails(lambda: pc.delete_index(where["index"]), "configuration", "403", "forbidden")
        assert [i.name for i in pc.list_indexes()] == [where["index"]]
        assert pc.describe_index(where["index"]).host == host, pc.describe_index(where["index"])
    else:
        pc.delete_index(where["index"])
        assert not pc.indexes.exists(where["index"])
    sys.stdout.flush()
    os._exit(0)  # threads of the gRPC client may be left


if __name__ == "__main__":
    main()
