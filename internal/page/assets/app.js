/* Adds to pages what they can do without: buttons that copy. */
(function () {
  "use strict";
  if (!navigator.clipboard) { return; }
  var live = document.getElementById("live");
  Array.prototype.forEach.call(document.querySelectorAll("[data-copy]"), function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var text = document.getElementById(button.getAttribute("data-copy")).textContent;
      navigator.clipboard.writeText(text).then(function () {
        live.textContent = "";
        live.textContent = live.getAttribute("data-done");
      });
    });
  });
})();
