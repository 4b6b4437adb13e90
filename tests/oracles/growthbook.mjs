// Generated GrowthBook payloads and contexts with what GrowthBook's own SDK answers, one JSON object a line:
// {"format", "document", "cases": [{"context", "flags": {key: value}}]}.
//
// node growthbook.mjs SEED DOCUMENTS, where `@growthbook/growthbook` can be found (NODE_PATH or the working directory).
import { createRequire } from "node:module";
import { join } from "node:path";
const require = createRequire(join(process.cwd(), "package.json"));
const { GrowthBook } = require("@growthbook/growthbook");

let state = BigInt(process.argv[2] ?? 1) * 0x9e3779b97f4a7c15n;
const MASK = (1n << 64n) - 1n;
// SplitMix64.
function random() {
  state = (state + 0x9e3779b97f4a7c15n) & MASK;
  let z = state;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const chance = (p) => random() < p;
const some = (make, most) => Array.from({ length: below(most + 1) }, make);

const TEXTS = ["US", "us", "DE", "", "null", "true", "5", "8.0", "10", "abc", "Abc", "é", "É", "żółw", "a@b.com", "-3"];
const NUMBERS = [0, 1, 5, 8, 10, 10.5, -3, 1e21, 18];
const VERSIONS = ["1.2.3", "v1.2.3", "1.10.0", "1.2.3-beta.1", "2.0", "10.0.0+b", "1.2.3-rc", "0", "100000.1.1"];
const scalar = () => pick([pick(TEXTS), pick(NUMBERS), true, false]);
const NAMES = ["country", "plan", "age", "beta", "version", "nested.city", "tags", "rows", "id", "absent"];
const IDS = ["u1", "u2", "u3", "user-17", "żółw", "🐢", "", 7, 0, "d-9"];

// Attributes that may be arrays or objects, whose text form no flag set compares: see docs/migrate/growthbook.md.
const COMPOUND = ["tags", "rows", "nested"];
const OF_COMPOUND = ["$in", "$nin", "$ini", "$nini", "$exists", "$type", "$size", "$elemMatch", "$all", "$alli", "$eq",
  "$ne", "$veq", "$vgt", "$inGroup", "$notInGroup", "$not"];

function operator(attribute = "") {
  const compound = COMPOUND.includes(attribute);
  const name = pick(compound ? OF_COMPOUND : ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$ini", "$nini", "$exists", "$type",
    "$regex", "$regexi", "$size", "$elemMatch", "$all", "$alli", "$not", "$veq", "$vne", "$vlt", "$vlte", "$vgt",
    "$vgte", "$inGroup", "$notInGroup", "$what"]);
  switch (name) {
    case "$in": case "$nin": case "$ini": case "$nini":
      return { [name]: some(() => (chance(0.1) ? null : scalar()), 4) };
    case "$exists": return { [name]: chance(0.5) };
    case "$type": return { [name]: pick(["string", "number", "boolean", "array", "object", "null", "undefined"]) };
    case "$regex": case "$regexi":
      return { [name]: pick(["^U", "s$", "[a-z]+", "\\d", "^$", "n.ll", "(", "b\\.com", "^\\w+$", "5|8", "/"]) };
    case "$size": return { [name]: chance(0.5) ? below(3) : { [pick(["$gt", "$lt", "$lte"])]: below(3) } };
    case "$elemMatch":
      return { [name]: attribute !== "rows" && chance(0.5) ? operator() : chance(0.5) ? { $gt: 3, $lt: 20 } : { city: pick(TEXTS) } };
    case "$all": case "$alli": return { [name]: some(scalar, 2) };
    case "$not": return { [name]: !compound && chance(0.5) ? scalar() : operator(attribute) };
    case "$veq": case "$vne": case "$vlt": case "$vlte": case "$vgt": case "$vgte": return { [name]: pick(VERSIONS) };
    case "$inGroup": case "$notInGroup": return { [name]: pick(["g1", "g2", "nowhere"]) };
    case "$lt": case "$lte": case "$gt": case "$gte": return { [name]: pick([pick(TEXTS), pick(NUMBERS)]) };
    default: return { [name]: chance(0.1) ? null : scalar() };
  }
}
function value(attribute = "") {
  if (!COMPOUND.includes(attribute) && chance(0.4)) return scalar();
  if (chance(0.08)) return null;
  if (chance(0.08)) return pick([["a", "b"], [], [1, "1"], { city: "x" }, {}]);
  return chance(0.2) ? { ...operator(attribute), ...operator(attribute) } : operator(attribute);
}
function condition(level = 0) {
  const out = {};
  for (let i = 0; i <= below(2); i++) {
    const name = pick(NAMES);
    out[name] = value(name);
  }
  if (level < 2 && chance(0.3)) out[pick(["$or", "$and", "$nor"])] = some(() => condition(level + 1), 2);
  if (level < 2 && chance(0.15)) out.$not = condition(level + 1);
  if (chance(0.05)) out.$savedGroup = { id: pick(["g2", "g3", "g1"]) };
  return out;
}
const share = () => pick([0, 0.1, 0.25, 0.5, 0.3333, 0.99, 1, 0.123, 0.7, 0.0005]);
const range = () => { const a = share(), b = share(); return [Math.min(a, b), Math.max(a, b)]; };
function draw(rule) {
  if (chance(0.5)) rule.hashVersion = pick([1, 2, 2, 3]);
  if (chance(0.5)) rule.seed = pick(["s1", "s2", "żółw"]);
  if (chance(0.3)) rule.hashAttribute = pick(["id", "device", "company"]);
  if (chance(0.25)) rule.filters = some(() => ({ seed: pick(["f1", "f2"]), ranges: some(range, 2), ...(chance(0.3) ? { attribute: "device" } : {}), ...(chance(0.3) ? { hashVersion: 1 } : {}) }), 2);
}
// What a prerequisite asks of another feature's value, which may be an object.
const OF_PARENT = [{ $exists: true }, { $exists: false }, { $type: "object" }, { $in: ["red", 1, true] }, { $ne: "red" }, { $eq: 2.5 }];
function rule(values, parents) {
  const out = {};
  if (chance(0.3)) out.id = pick(["r1", "r2", "r3"]);
  if (chance(0.6)) out.condition = condition();
  if (parents.length && chance(0.3)) {
    out.parentConditions = [{ id: pick([...parents, "nowhere"]), condition: { value: chance(0.4) ? scalar() : pick(OF_PARENT) }, ...(chance(0.5) ? { gate: true } : {}) }];
  }
  draw(out);
  if (chance(0.5)) {
    out.force = chance(0.05) ? null : pick(values);
    if (chance(0.5)) out.coverage = share();
    else if (chance(0.3)) out.range = range();
    return out;
  }
  const count = 1 + below(4);
  out.variations = Array.from({ length: count }, () => pick(values));
  if (chance(0.5)) out.key = pick(["e1", "e2", "e3"]);
  if (chance(0.4)) out.coverage = share();
  if (chance(0.4)) out.weights = pick([Array(count).fill(1 / count), [0.2, 0.8], [0.4, 0.1], [0.3334, 0.3333, 0.3333]]);
  if (chance(0.2)) out.ranges = Array.from({ length: count }, range);
  if (chance(0.2)) out.namespace = ["ns", ...range()];
  if (chance(0.2)) out.meta = Array.from({ length: count }, (_, i) => ({ key: `v${i}`, ...(chance(0.2) ? { passthrough: true } : {}) }));
  return out;
}
function payload() {
  const features = {};
  const kinds = [[true, false], ["red", "green", "blue"], [0, 1, 2.5], [{ a: 1 }, { b: [2] }]];
  for (let i = 0; i < 4; i++) {
    const values = pick(kinds);
    const feature = (features[`f${i}`] = {});
    if (chance(0.9)) feature.defaultValue = pick(values);
    feature.rules = some(() => rule(values, Object.keys(features).slice(0, i)), 4);
  }
  return {
    features,
    savedGroups: {
      g1: ["US", 5, "u1"],
      g2: { type: "list", attributeKey: "plan", values: ["pro", "abc", 8] },
      g3: { type: "condition", condition: condition(1) },
    },
    ...(chance(0.1) ? { forcedVariations: { [pick(["e1", "e2"])]: below(3) } } : {}),
  };
}
function attributes() {
  const out = {};
  const put = (name, make, p = 0.7) => { if (chance(p)) out[name] = make(); };
  put("id", () => pick(IDS), 0.9);
  put("device", () => pick(IDS), 0.6);
  put("country", scalar);
  put("plan", () => (chance(0.2) ? null : pick([...TEXTS, "pro"])));
  put("age", () => pick([...NUMBERS, "18", "8"]));
  put("beta", scalar);
  put("version", () => pick([...VERSIONS, "", 2, 10, true]));
  put("nested", () => pick([{ city: "x" }, { city: pick(TEXTS) }, "text", {}]));
  put("tags", () => some(scalar, 3));
  put("rows", () => some(() => pick([{ city: pick(TEXTS) }, 5, 10, null, "US"]), 3));
  return out;
}

const log = console.error;
console.error = () => {};
console.log = ((write) => (line) => write.call(process.stdout, `${line}\n`))(process.stdout.write);
for (let number = 0; number < Number(process.argv[3] ?? 10); number++) {
  const document = payload();
  const cases = [];
  for (let i = 0; i < 10; i++) {
    const context = attributes();
    const gb = new GrowthBook({ ...structuredClone(document), attributes: context });
    const flags = {};
    for (const key of Object.keys(document.features)) flags[key] = gb.evalFeature(key).value;
    cases.push({ context, flags });
  }
  console.log(JSON.stringify({ format: "growthbook", document, cases }));
}
console.error = log;
