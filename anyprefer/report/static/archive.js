const MOST_OPEN_BLOCKS = 8;
const openBlocks = new Map();

const blocksOf = (kind) => [...document.querySelectorAll(`script[data-archive="${kind}"]`)];

async function unpack(element) {
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).text()).split("\n");
}

async function readLines(kind) {
  const blocks = await Promise.all(blocksOf(kind).map(unpack));
  return blocks.flat();
}

/** The lines of a block; the last few blocks stay unpacked, because neighbours are read one after the other. */
function openBlock(element) {
  const lines = openBlocks.get(element) || unpack(element);
  openBlocks.delete(element);
  openBlocks.set(element, lines);
  if (openBlocks.size > MOST_OPEN_BLOCKS) openBlocks.delete(openBlocks.keys().next().value);
  return lines;
}

// Seeds and arguments may be integers that a JavaScript number cannot hold: their digits are kept.
function exactly(key, value, context) {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && context ? context.source : value;
}

async function readRecord(number) {
  const block = blocksOf("records").findLast((element) => Number(element.dataset.first) <= number);
  const lines = await openBlock(block);
  return JSON.parse(lines[number - Number(block.dataset.first)], exactly);
}

/** As the archive folds its texts: one line in lower case. */
const fold = (text) => text.toLowerCase().normalize("NFC").split(/\s+/u).filter(Boolean).join(" ");
