export function gibibytes(bytes: number): string {
  const gib = bytes / 2 ** 30
  return gib >= 0.1 ? `${gib.toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`
}
