/** From offsets in the text of an element, which is spread over many nodes, to places in those. */
export function rangeOf(element: Element, start: number, end: number): Range {
  const range = document.createRange();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let offset = 0;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const length = node.textContent?.length ?? 0;
    if (offset <= start && start < offset + length) {
      range.setStart(node, start - offset);
    }
    if (offset < end && end <= offset + length) {
      range.setEnd(node, end - offset);
    }
    offset += length;
  }
  return range;
}

/** Highlights of the browser's own, which leave the document as it is; older browsers have none. */
export function highlight(name: string, ranges: readonly Range[]): void {
  if (typeof Highlight === 'undefined') {
    return;
  }
  if (ranges.length > 0) {
    CSS.highlights.set(name, new Highlight(...ranges));
  } else {
    CSS.highlights.delete(name);
  }
}
