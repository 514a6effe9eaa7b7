/** The places in a text node where one of some folded words stands. */
function placesOf(node, needles) {
  const text = node.data.toLowerCase();
  // A few letters change their length with their case: then places in the one text are none in the other.
  if (text.length !== node.length) return [];
  return needles.flatMap((needle) => {
    const ranges = [];
    for (let start = text.indexOf(needle); start >= 0; start = text.indexOf(needle, start + needle.length)) {
      const range = new Range();
      range.setStart(node, start);
      range.setEnd(node, start + needle.length);
      ranges.push(range);
    }
    return ranges;
  });
}

/** Highlight what was searched for in the open record, where the browser can do so without changing its texts. */
function markFound(needles) {
  if (!CSS.highlights) return;
  const walker = document.createTreeWalker(byId("pairs-record-body"), NodeFilter.SHOW_TEXT);
  const ranges = [];
  while (needles.length && walker.nextNode()) {
    if (walker.currentNode.parentElement.closest(".text")) ranges.push(...placesOf(walker.currentNode, needles));
  }
  CSS.highlights.set("found", new Highlight(...ranges.slice(0, 5000)));
}
