/** Removes what Postgres refuses in every text and JSON: NUL characters, and halves of surrogate pairs. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}
