"""The official Python client of Milvus, as an application uses it.

    python client.py write URI COLLECTION            makes a collection with records
    python client.py compare URI COLLECTION URI COLLECTION

compare exits with 1 unless both have the same records, as this client reads them.
"""

import json
import sys

from pymilvus import DataType, MilvusClient

COUNT = 1200


def key(i):
    return f"doc {i}#ü 中"  # the client escapes nothing, so no quotation marks


def vector(i, n=8):
    return [((i * 31 + j * 17) % 97 - 48) / 7 + (i / COUNT if j == 0 else 0) for j in range(n)]


def write(uri, name):
    client = MilvusClient(uri=uri)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("doc_id", DataType.VARCHAR, is_primary=True, max_length=200)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("title", DataType.VARCHAR, max_length=300)
    schema.add_field("year", DataType.INT64)
    schema.add_field("rank", DataType.INT16)
    schema.add_field("score", DataType.FLOAT)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("public", DataType.BOOL)
    schema.add_field("meta", DataType.JSON)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=40, max_capacity=8)
    index = MilvusClient.prepare_index_params()
    index.add_index("embedding", index_type="HNSW", metric_type="COSINE", params={"M": 8, "efConstruction": 64})
    client.create_collection(name, schema=schema, index_params=index)
    rows = []
    for i in range(COUNT):
        row = {
            "doc_id": key(i), "embedding": vector(i), "title": f'Title {i} "中"\\n\n', "year": 1990 + i % 30, "rank": i % 300 - 100, "score": i / 8,
            "price": i / 10, "public": i % 3 == 0, "meta": {"whole": 2.0, "deep": [1, "a", {"b": False}], "n": i}, "tags": ["a", f"t{i % 5}"][: i % 3],
            "extra": f"dynamic {i}", "more": {"list": [0.5, i]},
        }
        if i % 4 == 0:
            del row["extra"]
        rows.append(row)
    for at in range(0, COUNT, 300):
        client.insert(name, rows[at : at + 300])
    # What was written over or taken out is no record.
    client.upsert(name, [dict(rows[1], title="another title")])
    client.delete(name, ids=[key(2)])
    client.flush(name)
    print(json.dumps({"records": COUNT - 1}))


def records(uri, name):
    client = MilvusClient(uri=uri)
    out = {}
    found = client.query_iterator(name, filter="", output_fields=["*"], batch_size=400)
    while page := found.next():
        for row in page:
            row = {k: [float(x) for x in v] if k == "embedding" else list(v) if k == "tags" else v for k, v in row.items()}
            out[row["doc_id"]] = row
    found.close()
    index = client.describe_index(name, client.list_indexes(name)[0])
    return out, index["metric_type"], client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"]


def compare(uri, name, other_uri, other):
    want, metric, count = records(uri, name)
    got, other_metric, other_count = records(other_uri, other)
    wrong = [(k, v, got.get(k)) for k, v in want.items() if got.get(k) != v]
    print(len(want), len(got), count, other_count, metric, other_metric, wrong[:2])
    if wrong or len(want) != len(got) or len(want) != COUNT - 1 or count != other_count or metric != other_metric:
        sys.exit(1)
    client = MilvusClient(uri=other_uri)
    hits = client.search(other, data=[vector(77)], limit=3, filter='year >= 1990 and more["list"][0] == 0.5 and title like "Title%"', output_fields=["title"])
    print(hits)
    if hits[0][0].id != key(77):
        sys.exit(1)


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
