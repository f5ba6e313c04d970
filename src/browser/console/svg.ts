const NAMESPACE = 'http://www.w3.org/2000/svg'

/** Makes an element of a drawing. */
export function svg<Tag extends keyof SVGElementTagNameMap> (
  tag: Tag, attributes: Record<string, string | number>, ...children: Array<Node | string>
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(NAMESPACE, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

/** A path through points; NaN as height lifts the pen. */
export function pathThrough (points: ReadonlyArray<readonly [x: number, y: number]>): string {
  let down = false
  return points.map(([x, y]) => {
    if (isNaN(y)) {
      down = false
      return ''
    }
    const command = `${down ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
    down = true
    return command
  }).join('')
}
