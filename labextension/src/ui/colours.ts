/** Steps take the hues of `--kale-hue-0` to `--kale-hue-7` in turn; see style/base.css. */
const HUES = 8;

export function stepColour(index: number): string {
  return `var(--kale-hue-${index % HUES})`;
}
