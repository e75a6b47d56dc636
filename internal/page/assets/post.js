/* Sends the page's form. The prototype's method: a field may be named "submit". */
(function () {
  var form = document.forms[0];
  if (!form) { return; }
  if (window.HTMLFormElement && HTMLFormElement.prototype.submit) {
    HTMLFormElement.prototype.submit.call(form);
  } else {
    form.submit();
  }
})();
