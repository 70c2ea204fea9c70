/** The longest text in one event, in bytes. Longer ones come in slices (`utf8.ts`). */
export const maxSliceBytes = 256 * 1024;
