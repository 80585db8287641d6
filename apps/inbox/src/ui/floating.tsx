/** Where what floats over the page is put: within its landmark, so that it is found there. */

const ID = "floating";

/** The place. It takes no room. */
export function FloatingPlace() {
  return <div id={ID} className="floating-place" />;
}

/** The element of the place; null before it is there, which stands for the end of the page. */
export function floatingPlace(): HTMLElement | null {
  return document.getElementById(ID);
}
