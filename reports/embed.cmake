# Writes OUT, a C++ file with the sources of the page as string constants, and the SHA-256 of the
# inline scripts and styles: the page's Content-Security-Policy allows exactly those.
#   cmake -DOUT=assets.cc -DWEB=reports/web -DD3=d3.min.js -P embed.cmake

set(chunk 8000) # compilers limit one literal; adjacent ones are joined

function(literal text result)
  string(LENGTH "${text}" length)
  set(code "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} ${chunk} part)
    string(FIND "${part}" ")gameday\"" clash)
    if(NOT clash EQUAL -1)
      message(FATAL_ERROR "a web source contains the delimiter of the raw string")
    endif()
    string(APPEND code "\n    R\"gameday(${part})gameday\"")
    math(EXPR at "${at} + ${chunk}")
  endwhile()
  set(${result} "${code}" PARENT_SCOPE)
endfunction()

file(READ ${WEB}/report.html page)
file(READ ${WEB}/report.css style)
file(READ ${D3} d3)
set(script "")
foreach(part common timeline charts report)
  file(READ ${WEB}/${part}.js source)
  string(APPEND script "${source}")
endforeach()

# What would end the script element early, or what the HTML parser would rewrite (CR), would also
# break the hash.
foreach(text "${script}" "${d3}" "${style}")
  string(TOLOWER "${text}" lower)
  if(lower MATCHES "</script|</style|<!--|\r")
    message(FATAL_ERROR "a web source holds </script, </style, <!-- or a carriage return")
  endif()
endforeach()

set(code "// Made by reports/embed.cmake.\n#include \"reports/assets.h\"\n\n")
string(APPEND code "namespace gameday::report {\n")
foreach(name page style d3 script)
  literal("${${name}}" text)
  string(SHA256 hash "${${name}}")
  string(APPEND code "\nconst Asset k_${name}{${text},\n    \"${hash}\"};\n")
endforeach()
string(APPEND code "\n}  // namespace gameday::report\n")
file(WRITE ${OUT} "${code}")
